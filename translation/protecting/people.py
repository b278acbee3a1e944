"""What people, firms, programs and towns are called: first names, families that are called like things, and names that
look like words or that a small model takes apart.

Few of them are in a corpus, and many look like a German word or like one that is made of two.
"""


def as_words(listed: str) -> frozenset[str]:
    """The words of a list with white space between them, as they are compared: with ss for ß."""
    return frozenset(map(str.casefold, listed.split()))


GIVEN_NAMES = as_words(
    """
    adam adelheid adrian ahmed albert aleksandra alessandro alexander alexandra alfred ali alina alois amelie
    amir amy andrea andreas andrew andrzej angela angelika anja anke ann anna anne annegret anneliese annette
    annika anthony anton antonia arne arthur astrid axel barack barbara beate beatrice ben benedikt benjamin
    bernd bernhard bettina birgit bjarne björn boris brian brigitte britta bruno burkhard bärbel carl carla
    carlos carmen carol caroline carsten catherine cem chantal charles charlotte chloe chris christa christel
    christiane christina christine christof christoph christopher clara claudia claus clemens colin cornelia
    craig dagmar daniel daniela david deborah denis dennis detlef diana dieter dietmar dietrich dirk dmitri
    dominik donald donna doris dorothea eberhard eckart eckhard edith eduard edward egon elena elisabeth
    elizabeth elke ellen emil emilia emily emma emmanuel enno eric erich erik erika erwin esra esther eugen eva
    fabian fatima felicitas felix ferdinand finn florian francesco franz franziska fred frederik frieda
    friederike friedrich fritz gabi gabriel gabriele gareth geoffrey georg george gerald gerd gerda gerhard
    gertrud gisela giuseppe gordon graham gregor greta gudrun guido gunnar gustav günter günther hanna hannah
    hannelore hannes hans harald harriet harry hartmut hassan hauke heike heiko heiner heinrich heinz helen
    helena helene helga helmut hendrik henning henrik henry herbert hermann hilde hildegard holger horst howard
    hubert hugo ian igor ilona ilse ines inga inge ingeborg ingo ingrid ioannis irene iris irmgard isabel
    isabella ivan iwan jack jacob jakob james jan jana jane janine jannik jason jean jeff jeffrey jennifer jenny
    jens jeremy jerome jessica jessie joachim joan joanna jochen johan johann johanna johannes john jonas
    jonathan josef joseph joshua juan judith julia julian juliane julie jutta jörg jörn jürgen karin karl karla
    karsten kaspar katharina kathrin katja katrin kenneth kerstin kevin kimberly kirsten klaus konrad konstantin
    kristina kurt lara larissa lars laura lea lena leni leonard leonardo leonhard leonie leopold levent liam
    lieselotte linda lisa lisbeth lorenz lothar louis louise lucas lucia lucy ludwig luigi luis luisa lukas lutz
    luzie magdalena maike malte manfred manuel manuela marc marcel marco marcus margaret margarete margit margot
    maria marianne marie marina mario marion marius marlene martin martina matilda mats matthew matthias max
    maximilian maya mehmet melanie merle mette mia michael michaela michelle miguel mike miriam mirko mohamed
    mohammed moritz murat mustafa nadine nadja nancy natalia natalie natascha nele nicholas nick nicola nicolas
    nicole niklas nikola nikolai nils nina noah nora norbert olaf ole olga oliver olivia oscar oskar otto pablo
    pamela patricia patrick paul paula pauline pavel pedro peter petra philip philipp pia pierre pieter
    priscilla priya rachel rahel rainer ralf ralph ramona raphael rebecca regina reiner reinhard reinhold renate
    rené ricarda richard rita robert roberta roberto robin roger roland rolf roman ronald ronja rosa rosemarie
    rudolf rupert russell ruth rüdiger sabine sabrina samuel sandra sandro sara sarah sascha saskia sebastian
    selina serena sergej sergey sibylle siegfried siegmund sigrid silke silvia simon simone sofia sonia sonja
    sophia sophie stefan stefanie steffen stephan stephanie stephen steven stuart sue susan susanne svante sven
    svenja svetlana swantje sylvia tamara tanja tatjana ted teresa thea theo theodor theresa therese thilo
    thomas thorsten till tilman tim timo timothy tina tobias tom torben torsten ulf ulrich ulrike umberto ursula
    uschi ute uwe valentin valeria vanessa vera verena veronika vicky victor victoria viktor viktoria vincent
    viola vladimir volker volodymyr walter waltraud werner wiebke wilfried wilhelm william willy winfried
    winston wladimir wolfgang wolfram xavier yannick yusuf yvonne zoe
    """
)
"""In small letters; of those that are a word, too, such as Ernst or Grace, see `COMMON_GIVEN_NAMES`."""

COMMON_GIVEN_NAMES = as_words(
    """
    amber april august autumn bill carol chase christian chuck clay cliff daisy dawn dean dick drew earnest ernst faith
    falk frank gene ginger glen grace grant guy hazel heath heide holly hope hunter iris ivy jack jasmin jasmine joy
    june kai lance laurel lee lily linde mark mason may melody miles olive page pat patience pearl peg penny poppy ray
    rich rob robin rocky rose ruby rusty sandy scarlet sky sonny sterling sue summer sunday sunny terry tim victor
    violet wade will wolf wolff woody
    """
)
"""First names that are common words: only a family behind them shows what they are."""

FAMILIES = as_words(
    """
    adler ahrens albrecht arnold bach bachmann bader bauer baum baumann baumgartner beck becker beckmann behrens
    berg berger bergmann bernhard binder birk bischof block blum born brand brandt braun breuer brinkmann bruch
    brunner buchholz busch böhm böhme decker dietz dorn ebert eder ehlers eich engel ernst esser falk fiedler
    fink fischer fleischer frank franke freitag freund frey fricke fritsch fröhlich fuchs funk förster gabriel
    gebhardt geiger gerber gerlach glaser graf grass greiner grimm groß gärtner göbel götz günther haas haase
    habeck hahn hammer hansen hartmann hartwig hecht heller henkel herbst hermann herrmann herzog hess hirsch
    hofer hoffmann hofmann holz holzmann horn huber hummel hübner jahn jung jäger kaiser karl keil keller kern
    kessler kirchner kirsch klein klose kluge kluth knecht knopf koch kohl kolb kopp korn kraft kramer kraus
    krause krebs kremer kretschmer kruse krämer kröger krüger kuhn kunz kurz köhler könig lang lange langer
    lauer lehmann lehner lenz lindemann linder lindner link lorenz ludwig lutz löffler maas maier mann marquardt
    marx maurer may mayer meier meister menzel merkel mertens merz metzger meyer michel moritz moser möller
    müller münch nagel naumann neubauer neuer neumann nolte nowak opitz ott otto pabst paul peter peters
    petersen pfeifer pfeiffer pfister pohl preuß rau raub rausch reich reichert reimann reinhardt reuter richter
    rieger ritter rode roth rothe rudolph runge rupp sander sauer sauter schade scharf schenk scherer schiller
    schilling schindler schlegel schlosser schlüter schmid schmidt schmitt schmitz schneider scholz schreiber
    schreiner schröder schröter schubert schuler schulte schultz schulz schulze schumacher schumann schuster
    schwab schwarz schäfer schön schütz schütze seidel seifert seitz sieber siebert siegel simon singer sommer
    sonntag specht spengler sprenger stadler stahl stark steffen stein steiner stern stock stolz straub strauch
    strauß struck stumpf sturm thiel thiele thomas tiefensee ulrich unger urban vetter vogel vogt voigt volk
    voss wagner walter weber wegener wegner weidner weigel weinert weise weiß wendt wenzel werner westphal
    wiegand wieland wiese wild wilhelm wimmer winkler winter wirth witt wittmann wolf wolff wolter wulf
    wunderlich wächter zander zeller ziegler zimmer zimmermann zoller
    """
)
"""German families, in small letters, most of which are called like a thing or like what somebody does."""

NAMES = as_words(
    """
    accenture adidas aldi aliexpress airbnb airbus android ansible asana asus atlassian avira azure basecamp
    bahlsen beiersdorf bertelsmann biontech bitbucket blackrock boeing bosch burger-king cisco citroën
    cloudflare commerzbank costco coursera crowdstrike danone databricks datev debian decathlon deichmann
    deloitte deutsche-bank dhl dji docker dovecot dropbox drupal duolingo ebay edeka elasticsearch epson
    ericsson eset eurowings evernote facebook fedora ferrero fiat figma firefox fitbit flixbus foodora fortnite
    fresenius fritzbox garmin gazprom gimp github gitlab glaxosmithkline gmail goldman-sachs google grafana
    gucci haribo heineken hermès hetzner hewlett-packard honda hornbach huawei hubspot hyundai ikea infineon
    inkscape instagram intel ionos jägermeister jenkins jetbrains jira joomla kaspersky kaufland keepass kindle
    klarna kodak krombacher kubernetes lego lenovo leroy-merlin lidl lieferando linkedin linux lufthansa maersk
    magento mailchimp malwarebytes mastercard mastodon matomo mattermost mercedes michelin microsoft miele milka
    minecraft minio mongodb monsanto moodle motorola mysql nasdaq nestlé netflix netgear nextcloud nginx nikon
    nintendo nivea nokia novartis nvidia onenote opel openssl openvpn osram otrs owncloud panasonic payback
    paypal pepsi pfizer philips photoshop pinterest pirelli playstation podman porsche postgres postgresql
    powerpoint prometheus pytorch qualcomm quora rabbitmq raspberry reddit redis redmine renault rewe
    rheinmetall rimowa ritter-sport roblox roche rolex rossmann ryanair samsonite samsung sandisk sennheiser
    sharepoint shopify siemens skype snapchat sony spotify stackoverflow starbucks steinway subaru sumup
    swarovski synology tchibo teamviewer telekom telefónica tensorflow terraform tesco tesla tetra-pak texaco
    thunderbird thyssenkrupp tiktok toyota trello tripadvisor trivago tumblr twilio twitch twitter uber ubuntu
    unicef unilever vattenfall veracrypt verizon vimeo vmware vodafone volkswagen volvo vonovia walmart
    wetransfer whatsapp wikipedia wireguard wireshark wordpress xiaomi xing yahoo yamaha youtube zalando zapier
    zeiss zendesk zotero
    """
)
"""Firms, brands and programs, in small letters, that are called alike everywhere."""

POSSESSIVE_NAMES = as_words(
    """
    barclay's bloomingdale's carl's christie's denny's domino's dunkin's hardee's hershey's kellogg's kohl's
    levi's lloyd's lowe's macy's mcdonald's moody's papa's sainsbury's sotheby's trader's victoria's wendy's
    woolworth's
    """
)
"""Firms, in small letters, whose s belongs to the name."""

NAMES_LIKE_WORDS = as_words(
    """
    amazon apple discord excel meta notion oracle outlook postfix slack stripe target
    telegram word windows zoom
    """
)
"""Firms and programs, in small letters, that are called like an English word: names where no article stands before."""

TOWNS = as_words(
    """
    aachen ansbach augsburg bamberg bayreuth bielefeld bochum bottrop bremerhaven chemnitz coburg cottbus
    darmstadt dessau detmold dortmund duisburg düren eisenach emden erfurt erlangen esslingen flensburg freiburg
    friedrichshafen fulda fürth gelsenkirchen gera goslar gotha greifswald gütersloh göppingen göttingen görlitz
    hameln hanau heidelberg heilbronn herford herne hildesheim ingolstadt iserlohn jena kaiserslautern karlsruhe
    kassel kempten kiel koblenz konstanz krefeld landshut leipzig leverkusen lingen lippstadt ludwigsburg
    ludwigshafen lübeck lüdenscheid lüneburg lünen magdeburg mainz mannheim marburg marl memmingen minden moers
    mönchengladbach neubrandenburg neumünster neuss norderstedt nordhorn oberhausen offenbach offenburg
    oldenburg osnabrück paderborn passau pforzheim pirmasens plauen potsdam quedlinburg ravensburg
    recklinghausen remscheid reutlingen rheine rosenheim rostock rüsselsheim saarbrücken salzgitter schweinfurt
    schwerin siegburg sindelfingen solingen speyer stralsund straubing stuttgart suhl trier troisdorf tuttlingen
    tübingen ulm unna velbert viersen villingen weiden weimar wetzlar wiesbaden wilhelmshaven witten wittenberg
    wolfenbüttel wolfsburg wuppertal zwickau bregenz dornbirn eisenstadt graz innsbruck klagenfurt kufstein linz
    salzburg steyr villach aarau chur olten schaffhausen thun winterthur
    """
)
"""Towns, in small letters, that are called alike in English."""

TOWNS_LIKE_WORDS = as_words("bergen essen gießen halle hamm hof landau singen siegen weiden worms")
"""Those that are words of German, too: towns behind "in" and "aus"."""


def is_double(word: str) -> bool:
    """Whether a word consists of a first name and another, or of the same word twice."""
    first, _, second = word.partition("-")
    return first == second or (first.casefold() in GIVEN_NAMES and second[:1].isupper() and len(second) < 8)
