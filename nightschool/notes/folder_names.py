"""Names of folders that say where a note comes from or what is done with it, not which kind it has."""

from __future__ import annotations

import re

from nightschool.config.kind_settings import same_kind

# Compared by `core_name`: "01 - Projects", "+ Inbox" and "📥 Inbox" are among them. As programs and methods
# name them (Obsidian, Logseq, Joplin, Bear, Evernote, Apple Notes, org-roam, PARA, GTD, Zettelkasten, ACE),
# in the languages in which they do.
_SORTED_BY_TIME_OR_STATE = """
    archive, archives, archived, areas, area, assets, atlas, calendar, clippings, daily, dailies,
    daily notes, diary, draft, drafts, efforts, extras, files, home page, images, inbox, incoming,
    journal, journals, logbook, media, meta, misc files, monthly, monthly notes, periodic,
    periodic notes, private, project, projects, resources, resource, system, tmp, to sort, unsorted,
    utilities, weekly, weekly notes, welcome, welcome! (desktop), welcome! (mobile), getting started,
    whiteboards, yearly, yearly notes, 週次, 月次, 受信箱, 受信トレイ,
    インボックス, 未整理, 未分類, 日記, 日誌, デイリー, デイリーノート, ジャーナル, アーカイブ, 保管庫,
    プロジェクト, エリア, リソース, 資料, 下書き, 添付ファイル, 画像, 收件箱, 收件匣, 日记, 日記本,
    日志, 归档, 存档, 项目, 專案, 领域, 资源, 草稿, 附件, 받은편지함, 인박스, 일기, 저널, 데일리,
    보관함, 아카이브, 프로젝트, 자료, 첨부파일, eingang, posteingang, tagebuch, archiv, projekte,
    projekt, bereiche, ressourcen, entwürfe, anhänge, tägliche notizen, boîte de réception, quotidien,
    notes quotidiennes, archives, projets, projet, domaines, ressources, brouillons, pièces jointes,
    bandeja de entrada, diario, notas diarias, archivo, proyectos, proyecto, áreas, recursos,
    borradores, caixa de entrada, diário, arquivo, projetos, projeto, rascunhos, posta in arrivo,
    archivio, progetti, progetto, bozze, входящие, дневник, архив, проекты, ресурсы, черновики,
    attachments, attachment
"""
# Their sub-folders may well be kinds.
_HOLDING_ALL = """
    notes, note, my notes, all notes, pages, page, vault, zettel, zettelkasten, slip-box, slipbox,
    fleeting, fleeting notes, literature notes, permanent notes, evergreen notes, org, roam, org-roam,
    obsidian, logseq, notebook, notebooks, documents, ノート, メモ, マイノート, 笔记, 筆記, 노트, 메모,
    notizen, meine notizen, mes notes, notas, appunti, заметки
"""
_TEMPLATES = """
    template, templates, テンプレート, 雛形, ひな形, 模板, 範本, 템플릿, 서식, vorlage, vorlagen,
    modèle, modèles, plantilla, plantillas, modelos, modelli, шаблоны
"""
_DELETED = """
    trash, bin, deleted, recently deleted, ゴミ箱, ごみ箱, 最近削除した項目, 回收站, 废纸篓, 휴지통,
    papierkorb, corbeille, papelera, lixeira, cestino, корзина
"""
_BEFORE = re.compile(r"(?:[^\w]|_|\d+(?=[\W_]|$))+")
_BEHIND = re.compile(r"[\W_]+$")
_DATE = re.compile(r"(?=.*\d)[\d\s年月日週第wq._/-]+")


def core_name(name: str) -> str:
    """A name without the numbers and signs in front that order it: "01 - Projects" is "projects"."""
    same = same_kind(name)
    core = _BEHIND.sub("", same[match.end() :] if (match := _BEFORE.match(same)) else same)
    return core or same


def _set(names: str) -> frozenset[str]:
    return frozenset(core_name(name) for name in re.split(r",\s*", names.strip()) if name)


_HOLDING = _set(_HOLDING_ALL)
_NOT_KINDS = _set(_SORTED_BY_TIME_OR_STATE) | _HOLDING | _set(_TEMPLATES) | _set(_DELETED)
_LEFT_OUT = _set(_TEMPLATES) | _set(_DELETED)


def is_no_kind(folder: str) -> bool:
    """Whether programs or methods use a folder of that name for notes of all kinds, or it is a date."""
    return core_name(folder) in _NOT_KINDS or is_number_or_date(folder)


def is_number_or_date(name: str) -> bool:
    """Whether a name is an identifier of a Zettelkasten, a number or a date: 202601011230, 2026年1月, W05."""
    return bool(_DATE.fullmatch(same_kind(name)))


def holds_all(folder: str) -> bool:
    """Whether the sub-folders of a folder of that name may be kinds."""
    return core_name(folder) in _HOLDING


def holds_no_notes(folder: str) -> bool:
    """Whether a folder of that name holds templates or deleted notes."""
    return core_name(folder) in _LEFT_OUT
