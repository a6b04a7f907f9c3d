"""Words and sentences of our own in several scripts, from which the corpora are made."""

# ruff: noqa: RUF001, SIM905 - letters of other scripts are meant, and a hundred words read best as text
from __future__ import annotations

import random
from collections.abc import Callable

NOUNS = """river garden engine letter market window bridge teacher forest kitchen station journey island harvest
market theory committee hospital machine pattern village answer evening mountain captain library festival argument
season customer network valley painting recipe theatre council signal weather language furniture neighbour factory
question shoulder morning battery science winter culture holiday museum budget border pocket story harbour ladder
method surface campaign satellite orchard mirror protein contract vehicle childhood temperature keyboard passenger
translation warehouse appetite horizon medicine carpenter reservoir telescope mattress opinion chapter instrument
blanket generation curtain discovery sandwich employer lantern penalty rehearsal citizen umbrella treaty bakery
microscope landlord receipt sculpture fountain archive tournament cathedral magnet avalanche cushion notebook
ingredient hypothesis apprentice turbine monument wardrobe detective syllable meadow pharmacy locomotive""".split()
VERBS = """carries follows explains repairs measures paints forgets protects describes improves watches collects
delivers imagines compares replaces supports discovers questions organises visits protests builds interprets reduces
crosses teaches borrows prepares translates remembers decorates avoids examines celebrates interrupts challenges
strengthens hides inspects resembles controls abandons polishes welcomes negotiates postpones surrounds digests
illustrates classifies outlives admires investigates simplifies weighs publishes recovers""".split()
ADJECTIVES = """quiet careful ancient bright narrow stubborn generous hollow modern distant fragile honest wooden
curious reliable bitter gentle enormous familiar broken seasonal patient crowded elegant temporary northern silent
expensive ordinary remote brilliant uneven cautious fertile grateful municipal peculiar rusty scientific spacious
transparent unexpected vivid weekly younger zealous abstract coastal delicate efficient""".split()
ADVERBS = """slowly usually quietly rarely carefully suddenly often together eventually probably gladly twice
elsewhere outdoors nearby seldom instead again overnight reluctantly abroad gradually certainly lately""".split()
PLACES = """Lisbon Nairobi Kyoto Bergen Toledo Cusco Tallinn Dakar Quebec Hobart Fez Ghent Izmir Jaipur Lviv Matera
Nantes Oaxaca Perth Riga Salta Tromso Utrecht Varna Windhoek Yerevan Zadar Accra""".split()
NAMES = """Ada Bruno Chiara Dmitri Elif Farah Gustav Hanne Ivo Jun Kofi Lena Mateo Nadia Oskar Priya Quentin Rosa
Sanna Tomas Umar Vera Wim Xenia Yusuf Zora Amina Boris Celia Darius""".split()
THINGS = """lamp chair desk mug pen cable monitor printer camera tripod jacket scarf sandal kettle toaster blender fan
heater mirror carpet pillow candle basket bottle wallet watch ring clock radio speaker shelf stapler helmet rope tent
bucket drill hammer wrench ladder hose brush sponge tray vase""".split()
STATES = "pending paid shipped returned cancelled active blocked draft open closed".split()
LOREM = """lorem ipsum dolor sit amet consectetur adipiscing elit sed do eiusmod tempor incididunt ut labore et dolore
magna aliqua enim ad minim veniam quis nostrud exercitation ullamco laboris nisi aliquip ex ea commodo consequat duis
aute irure in reprehenderit voluptate velit esse cillum eu fugiat nulla pariatur excepteur sint occaecat cupidatat non
proident sunt culpa qui officia deserunt mollit anim id est laborum""".split()
CHINESE = """我们 今天 学习 天气 城市 火车 朋友 老师 问题 因为 所以 但是 可以 开始 结束 工作 生活 音乐 电影
历史 文化 经济 社会 发展 技术 研究 方法 结果 数据 系统 设计 语言 世界 国家 市场 公司 产品 服务 客户 时间 空间
健康 医院 医生 运动 自然 森林 河流 山脉 海洋 动物 植物 春天 夏天 秋天 冬天 早晨 夜晚 故事 小说 诗歌 艺术 教育
大学 学生 书籍 图书馆 咖啡 茶叶 面包 米饭 蔬菜 水果 苹果 厨房 家庭 父母 孩子 兄弟 姐妹 旅行 飞机 汽车 道路
桥梁 建筑 窗户 颜色 红色 蓝色 绿色 安静 热闹 美丽 复杂 简单 重要 困难 容易 迅速 慢慢 非常 已经 正在 将来 过去
同意 反对 认为 发现 解释 讨论 决定 选择 改变 提高 减少 增加""".split()
JAPANESE = """今日 は とても いい 天気 です 私 の 友達 が 駅 で 本 を 読んで います 電車 に 乗って 学校 へ
行きました 料理 桜 山 川 海 夏 冬 朝 夜 会社 仕事 問題 答え 大切 簡単 難しい 新しい 古い 静か にぎやか 旅行
写真 音楽 映画 歴史 文化 言葉 研究 結果 方法 技術 未来 から まで より そして しかし だから もし 毎日 時々
全然""".split()
KOREAN = """오늘 날씨 좋아요 친구 학교 선생님 기차 도시 음악 영화 역사 문화 경제 기술 연구 결과 방법 문제 대답
시간 공간 건강 병원 운동 자연 바다 산 강 봄 여름 가을 겨울 아침 저녁 이야기 예술 교육 대학교 학생 책 도서관
커피 빵 가족 여행 비행기 자동차 그래서 그러나 그리고 아주 천천히 이미 항상 가끔 새로운 오래된 조용한""".split()
RUSSIAN = """сегодня погода город поезд учитель вопрос потому однако работа жизнь музыка фильм история
культура общество развитие техника метод результат данные система язык мир страна рынок товар клиент время
здоровье больница врач природа лес река гора море животное весна лето осень зима утро вечер рассказ стихи
искусство студент книга библиотека хлеб кухня семья дорога мост здание окно красный синий зелёный тихо быстро
медленно уже всегда иногда новый старый важный трудный находит объясняет меняет выбирает решает строит читает
пишет помнит""".split()
ARABIC = """اليوم الطقس جميل المدينة القطار المعلم السؤال لأن لكن العمل الحياة الموسيقى التاريخ الثقافة
المجتمع التقنية البحث النتيجة النظام اللغة العالم السوق الوقت الصحة المستشفى الطبيب الطبيعة الغابة النهر الجبل
البحر الربيع الصيف الخريف الشتاء الصباح المساء القصة الفن التعليم الطالب الكتاب المكتبة القهوة الخبز الأسرة
السفر الطريق الجسر النافذة""".split()
HINDI = """आज मौसम अच्छा शहर रेलगाड़ी शिक्षक प्रश्न क्योंकि लेकिन काम जीवन संगीत इतिहास संस्कृति समाज विकास
तकनीक शोध परिणाम भाषा दुनिया बाज़ार समय स्वास्थ्य अस्पताल प्रकृति जंगल नदी पहाड़ समुद्र वसंत गर्मी सर्दी सुबह
शाम कहानी कला शिक्षा छात्र किताब पुस्तकालय चाय रोटी परिवार यात्रा सड़क पुल खिड़की""".split()
EMOJI = list("😀😂😍🤔😎😴😡🥳🙏👍👏💪🎉🎁🌍🌱🌈🔥⭐🚀🚗🏠📚📈💡🔧🐍🐶🐱🐟🍎🍕☕🍰⚽🎵🎬💰📅✅❌⚠")

Words = list[str]


def sentence(draw: random.Random) -> str:
    """One English sentence of 5 to 25 words, seldom the same twice."""
    noun, verb = (lambda: draw.choice(NOUNS)), (lambda: draw.choice(VERBS))
    adjective, adverb = (lambda: draw.choice(ADJECTIVES)), (lambda: draw.choice(ADVERBS))
    place, name = draw.choice(PLACES), draw.choice(NAMES)
    year, count = draw.randint(1780, 2040), draw.randint(2, 400)
    forms: list[Callable[[], str]] = [
        lambda: f"the {adjective()} {noun()} {verb()} the {noun()} {adverb()}",
        lambda: f"in {place}, a {noun()} {verb()} every {adjective()} {noun()}",
        lambda: f"{name} {adverb()} {verb()} the {noun()}, and nobody in {place} {verb()} it",
        lambda: f"since {year}, the {noun()} of {place} {verb()} {count} {noun()}s",
        lambda: f"although the {noun()} {verb()} a {adjective()} {noun()}, the {noun()} {verb()} {adverb()}",
        lambda: f"what {verb()} the {noun()} is not the {noun()} but its {adjective()} {noun()}",
        lambda: f"{adverb()}, {name} {verb()} one {noun()} after another until the {noun()} {verb()} them",
        lambda: f"a {noun()} that {verb()} {adverb()} needs neither {noun()} nor {adjective()} {noun()}s",
        lambda: f"if the {noun()} {verb()}, then {count} {adjective()} {noun()}s must follow",
        lambda: f"there is a {adjective()} {noun()} behind the {noun()} near {place}",
        lambda: f"{name} and {draw.choice(NAMES)} disagree: the {noun()} {verb()}, they say, a {adjective()} {noun()}",
        lambda: f"nobody expected that {name} would come to {place} with a {adjective()} {noun()}",
    ]
    made = draw.choice(forms)()
    return made[0].upper() + made[1:] + draw.choice("....!?")


def paragraph(draw: random.Random, sentences: int | None = None) -> str:
    """A few sentences in a row."""
    return " ".join(sentence(draw) for _ in range(sentences or draw.randint(3, 7)))


def line(draw: random.Random, words: Words, count: int, glue: str = " ", end: str = ".") -> str:
    """`count` words of a vocabulary, joined."""
    return glue.join(draw.choice(words) for _ in range(count)) + end


def chinese(draw: random.Random) -> str:
    """One Chinese-looking sentence of 6 to 30 characters."""
    parts = [line(draw, CHINESE, draw.randint(2, 5), "", "") for _ in range(draw.randint(1, 3))]
    return "，".join(parts) + draw.choice("。。。！？")


def foreign(draw: random.Random) -> tuple[Words, str, str]:
    """A vocabulary that is not English, with what stands between its words and what ends a sentence."""
    return draw.choice(
        [(CHINESE, "", "。"), (JAPANESE, "", "。"), (KOREAN, " ", ". "), (RUSSIAN, " ", ". "), (ARABIC, " ", "، "),
         (HINDI, " ", "। ")]
    )  # fmt: skip


def stamp(draw: random.Random, second: float) -> str:
    """A time of one day in a log."""
    whole = int(second)
    return f"{whole // 3600 % 24:02}:{whole // 60 % 60:02}:{whole % 60:02}.{draw.randrange(1000):03}"


def identifier(draw: random.Random) -> str:
    """A name as in code."""
    return f"{draw.choice(ADJECTIVES)}_{draw.choice(NOUNS)}"
