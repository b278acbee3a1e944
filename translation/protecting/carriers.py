"""Sentences with a place for a word, in which it is tried whether a model copies the word."""

from dataclasses import dataclass

from dragoman.translation.languages import primary_subtag

SLOT = "{}"


@dataclass(frozen=True, slots=True)
class Carriers:
    """Sentences with a SLOT. names: for what stands like a name; numbers: for what stands like a number; pairs: with
    two SLOTs, for two names."""

    names: tuple[str, ...]
    numbers: tuple[str, ...]
    pairs: tuple[str, ...]


_CARRIERS = {
    "en": Carriers(
        (
            "I saw {} yesterday.",
            "Please open {} first.",
            "{} is not here.",
            "Have you heard about {}?",
            "The letter from {} came too late.",
            "We can't find {} any more.",
            "Send it to {} before Friday.",
            "My brother likes {}, but my sister does not.",
            "Where is {} now?",
            "This is the house of {}.",
        ),
        (
            "There are {} people in the room.",
            "He has {} books.",
            "It costs {} euros.",
            "We waited for {} minutes.",
            "{} of them are new.",
            "She is {} years old.",
        ),
        ("{} and {} are here.", "I sent {} to {}.", "She knows {}, but not {}.", "From {} we went to {}."),
    ),
    "de": Carriers(
        (
            "Ich habe {} gestern gesehen.",
            "Bitte öffnen Sie zuerst {}.",
            "{} ist nicht hier.",
            "Hast du von {} gehört?",
            "Der Brief von {} kam zu spät.",
            "Wir können {} nicht mehr finden.",
            "Schick es vor Freitag an {}.",
            "Mein Bruder mag {}, aber meine Schwester nicht.",
            "Wo ist {} jetzt?",
            "Das ist das Haus von {}.",
        ),
        (
            "Es sind {} Leute im Zimmer.",
            "Er hat {} Bücher.",
            "Es kostet {} Euro.",
            "Wir haben {} Minuten gewartet.",
            "{} davon sind neu.",
            "Sie ist {} Jahre alt.",
        ),
        (
            "{} und {} sind hier.",
            "Ich habe {} an {} geschickt.",
            "Sie kennt {}, aber nicht {}.",
            "Von {} gingen wir nach {}.",
        ),
    ),
    "fr": Carriers(
        (
            "J'ai vu {} hier.",
            "{} n'est pas ici.",
            "As-tu entendu parler de {} ?",
            "La lettre de {} est arrivée trop tard.",
            "Mon frère aime {}, mais pas ma sœur.",
            "Où est {} maintenant ?",
        ),
        ("Il a {} livres.", "Cela coûte {} euros.", "Nous avons attendu {} minutes.", "Elle a {} ans."),
        ("{} et {} sont ici.", "J'ai envoyé {} à {}.", "Elle connaît {}, mais pas {}."),
    ),
    "es": Carriers(
        (
            "Ayer vi a {}.",
            "{} no está aquí.",
            "¿Has oído hablar de {}?",
            "La carta de {} llegó demasiado tarde.",
            "A mi hermano le gusta {}, pero a mi hermana no.",
            "¿Dónde está {} ahora?",
        ),
        ("Tiene {} libros.", "Cuesta {} euros.", "Esperamos {} minutos.", "Ella tiene {} años."),
        ("{} y {} están aquí.", "Envié {} a {}.", "Ella conoce a {}, pero no a {}."),
    ),
    "it": Carriers(
        (
            "Ieri ho visto {}.",
            "{} non è qui.",
            "Hai sentito parlare di {}?",
            "La lettera di {} è arrivata troppo tardi.",
            "A mio fratello piace {}, ma a mia sorella no.",
            "Dov'è {} adesso?",
        ),
        ("Ha {} libri.", "Costa {} euro.", "Abbiamo aspettato {} minuti.", "Lei ha {} anni."),
        ("{} e {} sono qui.", "Ho mandato {} a {}.", "Lei conosce {}, ma non {}."),
    ),
    "pt": Carriers(
        (
            "Ontem vi {}.",
            "{} não está aqui.",
            "Você já ouviu falar de {}?",
            "A carta de {} chegou tarde demais.",
            "Meu irmão gosta de {}, mas minha irmã não.",
            "Onde está {} agora?",
        ),
        ("Ele tem {} livros.", "Custa {} euros.", "Esperamos {} minutos.", "Ela tem {} anos."),
        ("{} e {} estão aqui.", "Mandei {} para {}.", "Ela conhece {}, mas não {}."),
    ),
    "nl": Carriers(
        (
            "Ik heb {} gisteren gezien.",
            "{} is niet hier.",
            "Heb je van {} gehoord?",
            "De brief van {} kwam te laat.",
            "Mijn broer houdt van {}, maar mijn zus niet.",
            "Waar is {} nu?",
        ),
        ("Hij heeft {} boeken.", "Het kost {} euro.", "We hebben {} minuten gewacht.", "Ze is {} jaar oud."),
        ("{} en {} zijn hier.", "Ik heb {} naar {} gestuurd.", "Ze kent {}, maar niet {}."),
    ),
    "pl": Carriers(
        ("{} jest tutaj.", "Gdzie jest {}?", "To jest {}.", "Wczoraj był tu {}.", "Słyszałeś o {}?"),
        ("On ma {} książek.", "To kosztuje {} euro.", "Czekaliśmy {} minut.", "Ona ma {} lat."),
        ("{} i {} są tutaj.", "To jest {}, a to {}."),
    ),
    "cs": Carriers(
        ("{} tady není.", "Kde je {}?", "To je {}.", "Včera tu byl {}.", "Slyšel jsi o {}?"),
        ("Má {} knih.", "Stojí to {} eur.", "Čekali jsme {} minut.", "Je jí {} let."),
        ("{} a {} jsou tady.", "To je {} a to je {}."),
    ),
    "ru": Carriers(
        ("{} здесь нет.", "Где {}?", "Это {}.", "Вчера здесь был {}.", "Ты слышал о {}?"),
        ("У него {} книг.", "Это стоит {} евро.", "Мы ждали {} минут.", "Ей {} лет."),
        ("{} и {} здесь.", "Это {}, а это {}."),
    ),
    "sv": Carriers(
        ("Jag såg {} igår.", "{} är inte här.", "Har du hört talas om {}?", "Var är {} nu?", "Brevet från {} kom."),
        ("Han har {} böcker.", "Det kostar {} euro.", "Vi väntade {} minuter.", "Hon är {} år gammal."),
        ("{} och {} är här.", "Jag skickade {} till {}.", "Hon känner {}, men inte {}."),
    ),
    "zh": Carriers(
        ("我昨天看到了{}。", "{}不在这里。", "你听说过{}吗？", "这是{}。", "{}在哪里？"),
        ("他有{}本书。", "房间里有{}个人。", "我们等了{}分钟。", "她今年{}岁。"),
        ("{}和{}都在这里。", "这是{}，那是{}。"),
    ),
    "ja": Carriers(
        ("昨日{}を見ました。", "{}はここにいません。", "{}を知っていますか。", "これは{}です。", "{}はどこですか。"),
        ("彼は本を{}冊持っています。", "部屋に{}人います。", "{}分待ちました。", "彼女は{}歳です。"),
        ("{}と{}はここにいます。", "これは{}で、あれは{}です。"),
    ),
    "uk": Carriers(
        ("{} тут немає.", "Де {}?", "Це {}.", "Вчора тут був {}.", "Ти чув про {}?"),
        ("У нього {} книг.", "Це коштує {} євро.", "Ми чекали {} хвилин.", "Їй {} років."),
        ("{} і {} тут.", "Це {}, а це {}."),
    ),
    "tr": Carriers(
        ("{} burada değil.", "{} nerede?", "Bu {}.", "Dün {} buradaydı.", "Bu kitap {} için."),
        ("Onun {} kitabı var.", "{} dakika bekledik.", "Odada {} kişi var.", "Fiyatı {} avro."),
        ("{} ve {} burada.", "Bu {}, şu {}."),
    ),
}

_ANY_LANGUAGE = Carriers(("{}", "{}.", "{}!", "{}?", "({})"), ("{}", "{}.", "({})"), ("{}, {}.", "{} – {}"))
"""For a language of which there are no sentences: that little says less."""


def carriers_of(language: str) -> Carriers:
    """The carriers of a language."""
    return _CARRIERS.get(primary_subtag(language), _ANY_LANGUAGE)
