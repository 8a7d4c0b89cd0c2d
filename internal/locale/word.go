package locale

import "strings"

// words are the most frequent function words and words of asking, by language: all that is taken for one of them by its
// words, when it is not, is another language of this list. What languages share counts
// for each of them.
var words = map[string]string{
	"en": `a about after all am an and any are at be because been before but by can could did do does for from get had has have how i if
in into is it its me my no not of on or our please should so than that the their them there they this to was we were what when where
which who why will with would you your`,
	"de": `aber alle als also am an auch auf aus bei beim bin bis bitte das dass dein dem den der des die dies diese dieser du durch ein
eine einem einen einer es für gibt hat habe haben hast ich ihr im in ist kann kannst kein keine können man mein meine mich mir mit muss
nach nicht noch nur ob oder ohne sich sie sind soll über um und uns unser viel viele vom von vor wann war warum was welche welcher welches
wenn wer werden wie wieso wieviel wir wird wo zu zum zur`,
	"fr": `ai à alors au aux avec avez avons ce cela ces cette combien comment dans de des du elle en est et être faire il ils je la le
les leur lui ma mais me mes moi mon ne nous on ont ou où par pas peut peux plus pour pourquoi puis qu quand que quel quelle quelles quels
qui quoi sa sans se ses si son sont sur ta te tes ton tu un une vos votre vous`,
	"es": `al algo como cómo con cual cuál cuáles cuando cuándo cuanto cuánto cuántos cuántas de debo del desde donde dónde el él ella en
entre es esta está este esto estos gracias ha hay hasta la las le lo los más me mi mis muy necesito no nos o para pero por porque puede
puedo que qué quien quién se ser si sin sobre son su sus también tengo tiene tu un una y yo`,
	"it": `al alla anche che chi ci come con cosa da dal dalla degli dei del della delle di dove e è essere gli ha hai ho i il in io la
le lo ma mi mia mio ne nel nella non o per perché più posso quale quali quando quanti quanto questa questo se si sono sono su sua suo
tra tu un una`,
	"pt": `a ao aos as até com como da das de do dos e é ela ele em entre essa esse está eu foi há isso isto já mais mas me meu minha na
não nas no nos o onde os ou para pela pelo pode por porque posso qual quando quantos quantas que quem são se sem ser seu sua tem tenho
um uma você`,
	"nl": `aan al als bij dan dat de den deze die dit doen door een en er geen haar heb hebben heeft het hij hoe hoeveel ik in is je kan
kun maar me meer met mijn moet na naar niet nog of om onze ook op over te tot uit van veel voor waar waarom wanneer was wat we welke wie
wij wil worden wordt zich zijn zo zonder`,
	"sv": `alla att av bara blev bli de dem den denna deras det detta dig din dina du där efter eller en er ett från för ha hade han har hon
hur här i inte jag kan kommer man med mellan men mig min mitt mot mycket när något några och om oss på sig sin ska skulle som så till
under upp ut vad var varför vara vem vi vid vilken vill är över`,
	"da": `af alle at blev blive de dem den denne der deres det dette dig din du efter eller en er et fra for før ha havde han har hun
hvad hvem hver hvilken hvis hvor hvordan hvornår i ikke ind jeg kan kunne man med meget men mig min mod må nogle noget når og også om
op os over på sig sin skal skulle som til ud under var ved vi vil ville være`,
	"nb": `alle at av bare ble bli da de dem den denne der det dette deg din du eller en er et etter fra for før ha hadde han har hun hva
hvem hver hvilken hvis hvor hvordan i ikke inn jeg kan kunne man med meg men min mot mye må noe noen når og også om opp oss over på seg
sin skal skulle som så til under ut var ved vi vil ville være`,
	"fi": `ei eivät en ennen että hän he ilman ja jo jos joka jotka kanssa kaikki kuin kun kuka me mikä miksi missä miten minä mitä mutta
myös ne niin niitä nyt näin olen oli olivat olla on ovat paljon se sekä sen siellä sitä tai te tämä tässä vain vaan voi voidaan
voivat`,
	"hu": `a az azt be csak de egy egyik el én és ez ezek ezt fel ha hogy hol hogyan ide igen így is itt jól ki kell le lehet már meg mely
melyek mert mi miért mikor mind minden mint nagyon ne nem nincs ő ott össze pedig sem szerint több után vagy van vannak volt volna`,
	"ro": `a ai al ale am ar are au avea că care ce cel cele cu cum când cât de din după ea ei el este eu fi fost iar în între la lor mai
mult ne nu o pe pentru poate prin sau se si și sunt să te toate un unei unui unde va voi`,
	"tr": `acaba ama ancak bazı ben bir biz bu bunlar bunu çok çünkü da daha de defa diye en gibi göre hangi hem hep her için ile ise kadar
kaç ki kim mı mi mu nasıl ne neden nerede olan olarak oldu olduğu olur onlar sen siz şey şu tüm var ve veya ya yani yok`,
	"pl": `a ale bez być był była było by co czy dla do gdy gdzie go i ich ile im ja jak jaki jako jest jej jego jeśli już kiedy kto która
które który lub ma mnie mi może można na nad nie niż o od oraz po pod przed przez przy są się sobie ta tak także te tego tej ten to tu
tym w wszystkie z za że`,
	"cs": `a aby aj ale ani až bez bude být by byl byla bylo co což do i jak jako je jeho jejich jen jsem jsou k kde kdo kdy když která
které který mezi mi mít může na nebo než o od po pod podle pokud pro proč proto před při s se si tak také této to tím v ve však z za
ze že`,
	"ca": `a al als amb aquest aquesta aquests això cada com de del dels des el ella els em en entre era és està estan fins ha han hi i
jo la les li més meu molt no o on per perquè però poden pot què quan quina quins qui se sense ser seu seva si són també té tot un una
uns`,
}

// function gives the languages that a word is a function word of.
var function = func() map[string][]string {
	m := map[string][]string{}
	for code, list := range words {
		for _, word := range strings.Fields(list) {
			m[word] = append(m[word], code)
		}
	}
	return m
}()
