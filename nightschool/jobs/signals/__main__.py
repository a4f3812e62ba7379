"""`python -m nightschool.jobs.signals [PROGRAM ...]`: all signals of this computer, as a table."""

from nightschool.config import current_folder

current_folder.keep_out()  # before any other import

from nightschool.jobs.signals.signal_table import main  # noqa: E402

main()
