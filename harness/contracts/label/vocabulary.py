"""Word lists and patterns of the label contract: English, and the most common words of some other languages.

Word sets are compared token by token. Patterns are matched against a bounded window, never searched in a whole reply.
"""

from __future__ import annotations

import re


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


TOKEN = re.compile(r"[^\W_]+(?:['’][^\W_]+)*|[:=,;?{/|([]|->|=>|→|[–—-](?=\s|\Z)|\\boxed|[❌✗✘✖☐🚫≠¬]|~~|!=|!(?=\w)")
NOUNS = _words(
    "answer label category class classification choice option sentiment stance intent topic tag type verdict decision "
    "prediction result output response tone rating score emotion language urgency priority department conclusion "
    "judgment judgement fit match polarity selection pick determination assessment diagnosis grade level queue team "
    "genre domain respuesta categoría categoria etiqueta réponse catégorie étiquette antwort kategorie klasse "
    "risposta resposta ответ категория класс"
)
CLASS_NOUNS = _words(
    "sentence statement sentiment stance category label class tone classification issue question request problem inquiry "
    "enquiry query ticket matter option answer choice intent type polarity one review comment message post email rating connotation "
    "outlook topic complaint concern signal bias article text tweet verdict"
)
COPULA = _words(
    "isn't aren't wasn't isn’t is are was be being been seems seem appears appear remains remain it's that's this's "
    "equals sounds looks leans represents constitutes es est ist è é são это является stays becomes feels reads "
    "becoming"
)
EVIDENCE = _words(
    "leaves leaving indicates indicate indicating suggests suggest suggesting expresses express expressing "
    "conveys convey conveying reflects reflect reflecting shows show showing implies imply implying contains contain containing has have "
    "having carries carry carrying demonstrates demonstrating represents representing supports supporting signals "
    "signaling signalling offers offering exhibits exhibiting denotes points towards toward describes describing "
    "presents presenting maintains maintaining gives giving creates creating takes taking adopts provides providing"
)
CLASSIFY = re.compile(
    r"^(?:re)?(?:classif|categori[sz]|label|mark|tagg|rate|identif|consider|assign|treat|describ|characteri[sz]|code|"
    r"regard|view|see|read|interpret|perceiv|understood|seen|deem|evaluat|assess|judg|predict|answer|choos|select|pick|"
    r"clasific|klassifiz|eingestuft|class[ée])"
)
CHOOSE = _words(
    "choose chose choosing chosen pick picked select selected say answer vote assign assigned apply predict call "
    "label rate mark classify categorize guess"
)
PARTICIPLES = _words("considered deemed classified labeled labelled called rated marked tagged categorized termed")
SUBJECTS = _words("i i'd i'll i've we we'd we'll would will must should can my please let let's then")
FILLERS = _words(
    "a an the most more likely probably clearly definitely simply just best primarily mainly mostly very highly quite "
    "option choice letter number label category class answer as overall therefore thus indeed certainly obviously "
    "generally slightly somewhat rather fairly more purely essentially predominantly un una une ein eine now still "
    "also relatively potential potentially possible moderately strongly explicitly largely likeliest being either "
    "like"
)
NEGATORS = _words(
    "opposite not no never neither nor none without cannot cant can't isn't unlike except excluding hardly lacks "
    "lacking lack nothing dont doesnt isnt wasnt wouldnt nicht kein keine keinen nie pas jamais aucun aucune sans нет не ни "
    "without rejects reject rejected excludes exclude excluded ruled rule eliminated eliminate eliminates absence "
    "wrong incorrect inaccurate avoid avoids avoiding non anti despite beyond nem nunca não ningún ninguna sin niet "
    "geen ❌ ✗ ✘ ✖ ☐ 🚫 ≠ ¬ ~~ != !"
)
HEDGES = _words(
    "could might may possibly perhaps maybe possible potentially potential unsure uncertain either leaning lean leans "
    "secondarily secondary partly partially people many respondents anyone everyone common popular typical "
    "conceivably arguably alternatively some others someone wonder debatable tie undecided quizás peut-être "
    "vielleicht возможно talvez"
)
NOTS = _words("not never no longer")
CONDITIONS = _words("if whether unless unclear assuming suppose supposing provided depends depending")
GENERIC = _words("typically usually often sometimes commonly traditionally normally previously formerly")
ASSOCIATES = _words("associated associate known described referred")
CUTS = _words("but however so therefore thus hence although though instead because since yet aber donc pero")
RESTART = _words(
    "it this that the i we they he she which is was can should would making indicating and suggesting these there "
    "here best we'd i'd my overall it's"
)
ECHO_KEYS = _words(
    "text input ticket message question email review sentence comment tweet document prompt example examples "
    "instruction instructions task context title subject body user customer premise hypothesis passage headline quote "
    "subcategory definition definitions"
)
CONFIDENCE = _words("confidence certainty probability confident likelihood")
OPTION_KEYS = _words(
    "options labels choices categories classes following answers candidates sentiments tags intents "
    "topics types opciones catégories kategorien"
)
ACKNOWLEDGE = _words(
    "yes sure okay ok well certainly so therefore thus hence hmm alright finally overall great in , conclusion summary"
)
FINAL = _words("final finally conclusion boxed ultimately")
DEFINES = _words("if when means mean refers refer corresponds denotes describes stands where applies includes")
CONNECTS = _words(
    "because since as due given based with for considering and but although though however rather "
    "not while instead - – — weil porque parce car потому over"
)
ASIDES = _words("reason explanation rationale reasoning confidence justification explaination note")
STARTS = _words("this the it in based because i since these there explanation reason")
SCALE = _words("out stars star points point")
ROUTES = _words(
    "belongs belong assign assigned route routed go goes send sent forward forwarded escalate escalated directed"
)
SURE = _words("most likely probably definitely clearly certainly obviously simply just primarily mainly predominantly")
TURNS = _words("so but therefore thus hence instead rather")
GOES_ON = _words(
    "is are was would seems appears looks fits applies matches describes suits label category class option answer "
    "classification one does do did can could should has isn't isn’t doesn't doesn’t can't can’t cannot wouldn't "
    "wouldn’t aren't aren’t won't won’t might may possibly perhaps"
)
MAY_SCORE = tuple("'\"”’*` :=(-→")
RIGHT = re.compile(
    r"\W{0,4}(?:is|are|was|would be|seems|appears|looks)(?: to be)?(?: clearly| probably| likely)? (?:the |a )?"
    r"(?:most |best |more |only )?(?:correct|right|appropriate|suitable|accurate|fitting|likely|applicable|best|"
    r"answer|label|category|fit|choice)"
)
FITS = re.compile(r"\W{0,4}(?:fits|applies|matches|describes it|suits)\b(?: (?:the )?best| well|\W*$)?")
WRONG = re.compile(
    r"\W{0,4}(?:(?:label|category|class|option|answer|classification|one) )?"
    r"(?:(?:is|are|was|would be|does|do|did|can|could|should|has|seems) ?"
    r"(?:not|n't|never|incorrect|wrong|out|unlikely|inappropriate|less|ruled)|"
    r"isn['’]t|doesn['’]t|can['’]t|cannot|wouldn['’]t|aren['’]t|won['’]t)\b"
)
WOULD_IF = re.compile(
    r"\W{0,4}(?:would|could|might) [^.;\n]{0,80}\bif\b|\W{0,4}would (?:require|need|apply only|involve)\b"
)
MAYBE = re.compile(r"\W{0,4}(?:might|could|may|can also|would also|possibly|perhaps|is possible|is also)\b")
SCORE = re.compile(
    r"['\"”’*`]{0,3}\s?(?:[:=(-]|->|=>|→)\s?['\"]?(?:no\b|false|0\b(?!\.\d)|0?\.[0-4]|[0-4]?\d ?%|unlikely|n/a)"
)
LIST_WORDS = _words("and or nor to vs versus und oder et ou y o e u и или a an the as well slash")
LIST_GAP = re.compile(r"[^.!?:;\n=>]{0,24}\Z")
ITEM_GAP = re.compile(r"[^\w\n]*\n[ \t]*(?:[-*•>+]|\(?[0-9a-z][.)\]])?[^\w\n]*")
MARKER = re.compile(r"\W*(?:\d{1,2}|[a-z])[.):]\s*\Z")
JOINED_COPULA = ("是", "为", "為", "属于", "は")
JOINED_ENDINGS = ("입니다", "이다", "이에요", "예요", "です", "だ", "である")
JOINED_NOUNS = (
    "类别",
    "分类",
    "答案",
    "标签",
    "情感",
    "情绪",
    "结果",
    "類別",
    "分類",
    "カテゴリ",
    "回答",
    "答え",
    "感情",
)
POINTERS = (":", "=", "→", "->", "=>", "-", "–", "—")
QUOTED_KEY = re.compile(r'"([^"]*)"(?=\s?:)')
TEXTS = _words(
    "it this that it's that's text ticket message question email review sentence statement comment tweet document case "
    "issue problem request inquiry post article passage headline i i'd overall "
    "speaker author writer reviewer choices options categories labels appropriate best"
)
NO_ADVERBS = _words("imply apply reply supply rely family")
QUOTATION = re.compile(r'"[^"]*"|“[^”]*”')
WRAP_LEFT = " \t*_#>\"'`“”‘’«»„「『【《〈[({•-–—→~<:.,=+·▪●◦|⭐✅☑✔👉\\$|"
OPENING = re.compile(r"<[a-z_]{1,20}>\s*\Z")
BOXED = re.compile(r"\\boxed\s?\{\s?(?:\\(?:text|textbf|mathrm|textit)\s?\{)?[\s(\"']{0,3}\Z")
ENDS_SENTENCE = (". ", "; ", "! ", "? ", '." ', ".) ", "。")
EXAMPLES = ("e.g. ", "e.g., ", "example, ", "instance, ", "such as ", "e.g., '", "such as '", 'such as "')
MENTIONS = _words("term word words phrase mention mentions")
ARTICLES = _words("a an the")
INTO = _words("under into within in")
FALLS = _words("falls fall falling fits goes belongs put place")
GOES = _words("go going opt settle vote went")
NO_CONDITIONS = (["i", "had", "to"], ["i", "have", "to"], ["i", "must", "choose"])
DENYING_ENDS = ("~~", "[ ] ", "不是", "非", "不", "没有", "無", "无", "未", "没", "비", "not ", "ไม่")
COLONS = (":", "=", "→", "->", "=>")
DASHES = ("-", "–", "—", "|")
OPENS = "\"'*`“‘«"
CLOSES = "\"'*`”’»"
CLOSERS = tuple(CLOSES + ")]}")
WRAP_RIGHT = "\"'*`”’)_ "
WRAP_RIGHT_ALL = "\"'*`”’»」』)]}_> "
STOPS = ".,:;!—–-(|/<\\→•#。，：；！、（=&%{…"
ANSWER_TAG = re.compile(
    r"<(?:answer|label|category|class|output|result|classification|sentiment|intent|response|final_answer)>\s{0,4}\Z"
)
