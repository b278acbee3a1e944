"""The words of the made-up corpus, as tables: English, German, and what they go with.

Verbs, adjectives and nouns share tags (person, food, …) that keep sentences sensible. An underscore joins the words
of one entry. Words whose translation depends on something invisible are left out: verbs whose past looks like
the present ("read", "put"), nouns whose plural looks like the singular ("sheep"), words of two meanings ("watch").
"""

NOUNS = """
man men | m Mann Männer | person
woman women | f Frau Frauen | person
child children | n Kind Kinder | person
boy boys | w Junge Jungen | person
girl girls | n Mädchen Mädchen | person
teacher teachers | m Lehrer Lehrer | person
doctor doctors | m Arzt Ärzte | person
student students | w Student Studenten | person
neighbor neighbors | w Nachbar Nachbarn | person
friend friends | m Freund Freunde | person
brother brothers | m Bruder Brüder | person
sister sisters | f Schwester Schwestern | person
son sons | m Sohn Söhne | person
daughter daughters | f Tochter Töchter | person
aunt aunts | f Tante Tanten | person
uncle uncles | m Onkel Onkel | person
king kings | m König Könige | person
queen queens | f Königin Königinnen | person
guest guests | m Gast Gäste | person
farmer farmers | w Bauer Bauern | person
dog dogs | m Hund Hunde | animal
cat cats | f Katze Katzen | animal
horse horses | n Pferd Pferde | animal
bird birds | m Vogel Vögel | animal
cow cows | f Kuh Kühe | animal
mouse mice | f Maus Mäuse | animal
pig pigs | n Schwein Schweine | animal
bear bears | w Bär Bären | animal
garden gardens | m Garten Gärten | place
kitchen kitchens | f Küche Küchen | place
city cities | f Stadt Städte | place
park parks | m Park Parks | place
school schools | f Schule Schulen | place
forest forests | m Wald Wälder | place
hotel hotels | n Hotel Hotels | place
church churches | f Kirche Kirchen | place
village villages | n Dorf Dörfer | place
museum museums | n Museum Museen | place
house houses | n Haus Häuser | place
hospital hospitals | n Krankenhaus Krankenhäuser | place
apple apples | m Apfel Äpfel | thing food
cake cakes | m Kuchen Kuchen | thing food
egg eggs | n Ei Eier | thing food
tomato tomatoes | f Tomate Tomaten | thing food
pear pears | f Birne Birnen | thing food
sausage sausages | f Wurst Würste | thing food
book books | n Buch Bücher | thing text
letter letters | m Brief Briefe | thing text
poem poems | n Gedicht Gedichte | thing text
story stories | f Geschichte Geschichten | text
newspaper newspapers | f Zeitung Zeitungen | thing
coat coats | m Mantel Mäntel | thing clothing
dress dresses | n Kleid Kleider | thing clothing
shirt shirts | n Hemd Hemden | thing clothing
shoe shoes | m Schuh Schuhe | thing clothing
jacket jackets | f Jacke Jacken | thing clothing
door doors | f Tür Türen | opening
window windows | n Fenster Fenster | opening
box boxes | f Kiste Kisten | thing opening
bag bags | f Tasche Taschen | thing opening
suitcase suitcases | m Koffer Koffer | thing opening
table tables | m Tisch Tische | furniture
chair chairs | m Stuhl Stühle | furniture
bed beds | n Bett Betten | furniture
car cars | n Auto Autos | thing machine
bicycle bicycles | n Fahrrad Fahrräder | thing machine
boat boats | n Boot Boote | thing machine
lamp lamps | f Lampe Lampen | thing machine
computer computers | m Computer Computer | thing machine
key keys | m Schlüssel Schlüssel | thing
knife knives | n Messer Messer | thing
spoon spoons | m Löffel Löffel | thing
cup cups | f Tasse Tassen | thing
picture pictures | n Bild Bilder | thing
flower flowers | f Blume Blumen | thing
umbrella umbrellas | m Regenschirm Regenschirme | thing
"""
"""English singular and plural | gender, German singular and plural | tags. w: masculine with the weak declension."""

ADJECTIVES = """
old older | alt alt älter | person animal thing place furniture
young younger | jung jung jünger | person animal
new newer | neu neu neuer | thing place furniture opening
small smaller | klein klein kleiner | person animal thing place furniture opening
big bigger | groß groß größer | person animal thing place furniture opening
good better | gut gut besser | person animal thing place
red redder | rot rot röter | thing furniture opening
green greener | grün grün grüner | thing furniture opening
black blacker | schwarz schwarz schwärzer | animal clothing machine furniture
white whiter | weiß weiß weißer | animal clothing furniture opening
beautiful more_beautiful | schön schön schöner | thing place animal furniture
ugly uglier | hässlich hässlich hässlicher | thing place furniture opening
clever cleverer | klug klug klüger | person animal
lazy lazier | faul faul fauler | person animal
strong stronger | stark stark stärker | person animal
happy happier | glücklich glücklich glücklicher | person animal
sad sadder | traurig traurig trauriger | person text
poor poorer | arm arm ärmer | person place
friendly friendlier | freundlich freundlich freundlicher | person animal
famous more_famous | berühmt berühmt berühmter | person place text
tired more_tired | müde müd müder | person animal
dangerous more_dangerous | gefährlich gefährlich gefährlicher | animal machine place
brave braver | mutig mutig mutiger | person animal
expensive more_expensive | teuer teur teurer | thing furniture place
cheap cheaper | billig billig billiger | thing furniture
heavy heavier | schwer schwer schwerer | thing furniture
clean cleaner | sauber sauber sauberer | clothing place furniture opening
dirty dirtier | schmutzig schmutzig schmutziger | clothing place furniture opening animal
dark darker | dunkel dunkl dunkler | place clothing
strange stranger | seltsam seltsam seltsamer | person animal thing place
"""
"""English and its comparative | German, its stem before an ending, and its comparative | tags."""

VERBS = """
see saw | accusative | person animal | person animal thing place | sehe siehst sieht sehen hat gesehen
hear heard | accusative | person animal | person animal | höre hörst hört hören hat gehört
find found | accusative | person animal | person animal thing | finde findest findet finden hat gefunden
look_for looked_for | accusative | person animal | person animal thing | suche suchst sucht suchen hat gesucht
buy bought | accusative | person | thing furniture | kaufe kaufst kauft kaufen hat gekauft
sell sold | accusative | person | thing furniture | verkaufe verkaufst verkauft verkaufen hat verkauft
need needed | accusative | person | person thing furniture | brauche brauchst braucht brauchen hat gebraucht
have had | accusative | person | thing animal furniture | habe hast hat haben hat gehabt
forget forgot | accusative | person | person thing | vergesse vergisst vergisst vergessen hat vergessen
steal stole | accusative | person | thing | stehle stiehlst stiehlt stehlen hat gestohlen
clean cleaned | accusative | person | place opening furniture | putze putzt putzt putzen hat geputzt
repair repaired | accusative | person | machine opening | repariere reparierst repariert reparieren hat repariert
wash washed | accusative | person | clothing food animal | wasche wäschst wäscht waschen hat gewaschen
eat ate | accusative | person animal | food | esse isst isst essen hat gegessen
write wrote | accusative | person | text | schreibe schreibst schreibt schreiben hat geschrieben
wear wore | accusative | person | clothing | trage trägst trägt tragen hat getragen
love loved | accusative | person animal | person animal | liebe liebst liebt lieben hat geliebt
visit visited | accusative | person | person place | besuche besuchst besucht besuchen hat besucht
know knew | accusative | person | person place text | kenne kennst kennt kennen hat gekannt
understand understood | accusative | person | person text | verstehe verstehst versteht verstehen hat verstanden
feed fed | accusative | person | animal | füttere fütterst füttert füttern hat gefüttert
invite invited | accusative | person | person | lade lädst lädt ein-laden hat eingeladen
call called | accusative | person | person | rufe rufst ruft an-rufen hat angerufen
pick_up picked_up | accusative | person | person thing | hole holst holt ab-holen hat abgeholt
open opened | accusative | person | opening | mache machst macht auf-machen hat aufgemacht
close closed | accusative | person | opening | mache machst macht zu-machen hat zugemacht
try_on tried_on | accusative | person | clothing | probiere probierst probiert an-probieren hat anprobiert
throw_away threw_away | accusative | person | thing | werfe wirfst wirft weg-werfen hat weggeworfen
help helped | dative | person | person animal | helfe hilfst hilft helfen hat geholfen
thank thanked | dative | person | person | danke dankst dankt danken hat gedankt
follow followed | dative | person animal | person animal | folge folgst folgt folgen ist gefolgt
answer answered | dative | person | person | antworte antwortest antwortet antworten hat geantwortet
listen_to listened_to | dative | person | person | höre hörst hört zu-hören hat zugehört
belong_to belonged_to | dative | thing furniture | person | gehöre gehörst gehört gehören hat gehört
give gave | ditransitive | person | thing | gebe gibst gibt geben hat gegeben
show showed | ditransitive | person | thing place | zeige zeigst zeigt zeigen hat gezeigt
send sent | ditransitive | person | thing | schicke schickst schickt schicken hat geschickt
lend lent | ditransitive | person | thing | leihe leihst leiht leihen hat geliehen
offer offered | ditransitive | person | thing | biete bietest bietet an-bieten hat angeboten
wait_for waited_for | auf accusative | person animal | person animal | warte wartest wartet warten hat gewartet
think_of thought_of | an accusative | person | person animal thing place | denke denkst denkt denken hat gedacht
dream_of dreamed_of | von dative | person | person animal thing place | träume träumst träumt träumen hat geträumt
play_with played_with | mit dative | person animal | person animal | spiele spielst spielt spielen hat gespielt
speak_with spoke_with | mit dative | person | person | spreche sprichst spricht sprechen hat gesprochen
work_for worked_for | für accusative | person | person | arbeite arbeitest arbeitet arbeiten hat gearbeitet
laugh_about laughed_about | über accusative | person | person animal text | lache lachst lacht lachen hat gelacht
sleep slept | place | person animal | | schlafe schläfst schläft schlafen hat geschlafen
work worked | place | person | | arbeite arbeitest arbeitet arbeiten hat gearbeitet
wait waited | place | person animal | | warte wartest wartet warten hat gewartet
play played | place | person animal | | spiele spielst spielt spielen hat gespielt
live lived | place | person animal | | wohne wohnst wohnt wohnen hat gewohnt
sing sang | place | person | | singe singst singt singen hat gesungen
stay stayed | place | person animal | | bleibe bleibst bleibt bleiben ist geblieben
sit sat | place | person animal | | sitze sitzt sitzt sitzen hat gesessen
wake_up woke_up | place | person animal | | wache wachst wacht auf-wachen ist aufgewacht
fall_asleep fell_asleep | place | person animal | | schlafe schläfst schläft ein-schlafen ist eingeschlafen
lie lay | furniture | thing | | liege liegst liegt liegen hat gelegen
go went | motion | person | | gehe gehst geht gehen ist gegangen
run ran | motion | person animal | | laufe läufst läuft laufen ist gelaufen
drive drove | motion | person | | fahre fährst fährt fahren ist gefahren
come came | motion | person animal | | komme kommst kommt kommen ist gekommen
say said | dass | person | | sage sagst sagt sagen hat gesagt
know knew | dass | person | | weiß weißt weiß wissen hat gewusst
believe believed | dass | person | | glaube glaubst glaubt glauben hat geglaubt
hope hoped | dass | person | | hoffe hoffst hofft hoffen hat gehofft
ask asked | ob | person | | frage fragst fragt fragen hat gefragt
"""
"""English and its past | frame | tags of the subject | tags of the object | German: ich, du, er, infinitive, perfect.

The frame says what follows the verb: an object in a case, two objects, a preposition with its case, somewhere to be
(place, furniture) or to go (motion), or a clause with its conjunction.
"""
