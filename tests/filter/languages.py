"""Short prose of many languages, written for these tests, and English that is hard to know for English."""

from __future__ import annotations

PROSE = {
    "fr": "Vous êtes arrivé par le train de midi, monsieur, et vous n'avez pas eu le temps de déjeuner. La boue sur votre manche gauche ne vient que d'une rue de Londres.",
    "de": "Sie sind heute früh mit der Bahn gekommen und haben noch nichts gegessen. Der Schlamm an Ihrem Ärmel stammt aus einer einzigen Straße in London.",
    "es": "Ha llegado usted en el tren de la mañana y no ha tenido tiempo de comer. El barro de su manga solo está en una calle de Londres, y la conozco bien, señor.",
    "it": "Siete arrivato con il treno di mezzogiorno e non avete avuto il tempo di mangiare. Il fango sulla vostra manica viene da una sola strada di Londra.",
    "pt": "O senhor chegou no comboio da manhã e não teve tempo de comer. A lama na sua manga só se encontra numa rua de Londres, e eu conheço-a muito bem.",
    "nl": "U bent vanmorgen met de trein gekomen en hebt nog niets gegeten. De modder op uw mouw komt maar uit één straat in Londen, en die ken ik heel goed.",
    "sv": "Ni kom med tåget i morse och har inte hunnit äta. Leran på er ärm finns bara på en enda gata i London, och den känner jag väl, ty jag har väntat där.",
    "pl": "Przyjechał pan porannym pociągiem i nie miał pan czasu zjeść śniadania. Błoto na pańskim rękawie pochodzi tylko z jednej ulicy w Londynie.",
    "tr": "Sabah treniyle geldiniz ve henüz kahvaltı etmediniz. Kolunuzdaki çamur Londra'da yalnızca bir sokakta bulunur ve ben o sokağı çok iyi bilirim.",
    "ru": "Вы приехали утренним поездом и ещё не успели позавтракать. Грязь на вашем рукаве встречается только на одной улице Лондона, и я хорошо её знаю.",
    "zh": "您是坐早班火车来的，还没有来得及吃早饭。您袖子上的泥只有伦敦的一条街上才有，我对那条街很熟悉，因为我在那里等了三个晚上。",
    "ja": "あなたは朝の列車で来て、まだ朝食を食べていませんね。袖の泥はロンドンのある通りにしかないもので、私はそこをよく知っています。",
    "el": "Ήρθατε με το πρωινό τρένο και δεν προλάβατε να φάτε. Η λάσπη στο μανίκι σας υπάρχει μόνο σε έναν δρόμο του Λονδίνου, και τον ξέρω πολύ καλά.",
    "la": "Gallia est omnis divisa in partes tres, quarum unam incolunt Belgae, aliam Aquitani, tertiam qui ipsorum lingua Celtae, nostra Galli appellantur.",
}

HARD_ENGLISH = {
    "Chaucer": "Whan that Aprille with his shoures soote, The droghte of March hath perced to the roote, And bathed every veyne in swich licour Of which vertu engendred is the flour",
    "Burns": "Wee, sleekit, cow'rin, tim'rous beastie, O, what a panic's in thy breastie! Thou need na start awa sae hasty, Wi' bickering brattle! I wad be laith to rin an' chase thee",
    "Twain": "Yo' ole father doan' know yit what he's a-gwyne to do. Sometimes he spec he'll go 'way, en den agin he spec he'll stay. De bes' way is to res' easy en let de ole man take his own way.",
    "Carroll": "Twas brillig, and the slithy toves did gyre and gimble in the wabe: all mimsy were the borogoves, and the mome raths outgrabe.",
    "pirate": "Avast, ye scurvy swabs! Belay yer jabberin' an' haul on that there line, or by the powers I'll flog every mother's son o' ye from stem to stern, so help me Davy Jones!",
    "stammer": "W-w-well, I d-d-don't know, s-s-sir, b-b-but I r-r-reckon it's a g-g-ghost, so it is, y-y-yes, a g-g-ghost in th-th-the barn!",
    "names": "Bagration, Davout, Murat, Ney, Kutuzov, Barclay de Tolly, Bennigsen, Rostov, Bolkonsky, Bezukhov, Drubetskoy, Karagin, Dolokhov: those were they.",
    "laughter": "Ha ha ha ha ha ha ha! Ho ho ho ho! Hee hee hee hee hee! Ha ha ha ha ha! Ho ho ho ho ho ho! Oh ho ho!",
    "robot": "BEEP BOOP. UNIT 7 ONLINE. SCANNING... TARGET ACQUIRED. COMMENCE PROTOCOL ALPHA. BZZT. ERROR 404. REBOOT REBOOT REBOOT.",
    "slang": "lol idk m8 wot u on about, cba w this 2nite tbh, c u l8r @ the pub yh? gonna b lit fr fr no cap, not even jokin bruv innit",
}
