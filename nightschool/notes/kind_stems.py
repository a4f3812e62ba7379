"""What the names of a kind have in common: case, plural, order numbers, and the words of other languages."""

from __future__ import annotations

import re

from nightschool.config.kind_settings import same_kind
from nightschool.notes.folder_names import core_name

KIND_WORDS = (
    "kind", "type", "category", "class", "note type", "notetype", "種類", "種別", "タイプ",
    "カテゴリ", "カテゴリー", "分類", "类型", "类别", "分类", "종류", "유형", "분류", "kategorie",
    "typ", "catégorie", "categoría", "tipo", "categoria", "тип",
)  # fmt: skip
"""Properties, and tags with sub-tags, that often name kinds, the surest first."""

# Languages differ, and phrases; words of one language that mean nearly the same may well be two kinds.
_MEANING_THE_SAME = {
    "lesson": "lesson learned, lessons learned, 教訓, 学び, 教训, 교훈, lektion, lektionen, "
    "lehre, lehren, leçon, lección, lição, lezione, lezioni, lecciones, lições, урок, "
    "уроки",
    "knowledge": "知識, ナレッジ, 知识, 지식, wissen, connaissance, conocimiento, conhecimento, "
    "conoscenza, знания",
    "value": "core value, 価値観, 価値, 价值观, 가치, 가치관, wert, werte, valeur, valor, "
    "valore, ценность, valores, valori, ценности",
    "principle": "原則, 信条, 原则, 원칙, grundsatz, grundsätze, principe, principio, "
    "princípio, принцип, principi, princípios, принципы",
    "decision": "design decision, decision record, decision log, adr, 決定, 決定事項, 意思決定, "
    "設計判断, 判断, 决定, 决策, 결정, entscheidung, entscheidungen, décision, "
    "decisión, decisione, decisão, решение, decisiones, decisioni, decisões, "
    "решения",
    "none": "none of the above, no kind, other, misc, miscellaneous, なし, その他, 該当なし, "
    "其他, 기타, sonstige, sonstiges, divers, autre, otro, outro, altro, varia, прочее",
    "idea": "アイデア, アイディア, 発想, 想法, 点子, 아이디어, idee, ideen, idée, ideia, идея, "
    "идеи",
    "question": "質問, 疑問, 问题, 질문, frage, fragen, pregunta, pergunta, domanda, вопрос, "
    "вопросы",
    "insight": "気づき, 洞察, 洞见, 통찰, einsicht, erkenntnis, einsichten, erkenntnisse",
    "fact": "事実, 事实, 사실, fakt, fakten, fait, hecho, факт, faits, hechos, факты",
    "reflection": "振り返り, ふりかえり, 反思, 회고, réflexion, reflexión",
    "how-to": "howto, how to, 手順, 手順書, ハウツー, 教程, anleitung, anleitungen",
    "recipe": "レシピ, 食谱, 레시피, rezept, rezepte, recette, receta, ricetta, receita, "
    "рецепт, рецепты",
    "meeting": "meeting note, 会議, 議事録, ミーティング, 会议, 회의, besprechung, "
    "besprechungen, réunion, reunión",
    "quote": "quotation, 引用, 名言, zitat, zitate, citation, cita, citações",
}  # fmt: skip
_PLURALS = ((r"ies$", "y"), (r"(?<=ss|sh|ch)es$", ""), (r"(?<=[xz])es$", ""), (r"(?<![sui])s$", ""))


def kind_stem(name: str) -> str:
    """What a kind's name shares with its plural, its tag and the same word in other languages."""
    plain = re.sub(r"[-_\s]+", " ", core_name(name))
    return _STEMS.get(plain) or _STEMS.get(_singular(plain)) or _singular(plain)


def is_usual(stem: str) -> bool:
    """Whether notes are often sorted into kinds of that name."""
    return stem in _MEANING_THE_SAME


def _singular(plain: str) -> str:
    if len(plain) > 3:
        for plural, singular in _PLURALS:
            shorter = re.sub(plural, singular, plain)
            if shorter != plain:
                return shorter
    return plain


_STEMS = {
    _singular(re.sub(r"[-_\s]+", " ", same_kind(each.strip()))): stem
    for stem, others in _MEANING_THE_SAME.items()
    for each in (stem, *others.split(","))
}
