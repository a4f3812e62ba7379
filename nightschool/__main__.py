"""`nightschool` and `python -m nightschool`."""

from nightschool.config import current_folder

current_folder.keep_out()  # before any other import

from nightschool.cli.main import main  # noqa: E402

if __name__ == "__main__":
    main()
