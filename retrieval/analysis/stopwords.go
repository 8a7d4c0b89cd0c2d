package analysis

import (
	"maps"
	"slices"
	"strings"
)

// stopLists are words that say nothing about what a text is about: those that carry grammar alone, and those of asking.
// "not" and the like stay: they can be what is asked for.
var stopLists = map[string]map[string]bool{
	"en": list(`a about all also am an and any are as at be been being but by can could did do does doing done for from had
has have having he her here hers him his how i if in into is it its itself just may me might more most my of on or our ours shall she
should so some such than that the their theirs them then there these they this those through to too under until up upon us very was we
were what when where which while who whom whose why will with would you your yours`),
	"ar": list(`في من على عن إلى هذا هذه ذلك التي الذي ما ماذا متى أين كيف لماذا هل كم كان كانت هو هي أو ثم أن إن قد كل`),
	"de": list(`ab aber als also am an auch auf aus bei beim bin bis bist da damit dann das dass dein deine dem den der des dessen die
dies diese diesem diesen dieser dieses doch dort du durch ein eine einem einen einer eines er es für gibt hab habe haben hast hat hatte
hatten ich ihm ihn ihnen ihr ihre ihrem ihren ihrer im in ins ist jede jedem jeden jeder jedes kann kannst können könnte man mein meine
meinem meinen meiner mich mir mit muss müssen nach noch nun nur ob oder sehr sein seine seinem seinen seiner sich sie sind so soll sollen
sollte über um und uns unser unsere unter vom von vor wann war waren warum was welche welchem welchen welcher welches wenn wer werde
werden wie wieso wieviel wir wird wo worden wurde wurden zu zum zur`),
	"fr": list(`a ai as à alors après au aussi aux avec avez avons c car ce ceci cela celle celui ces cet cette ceux chez comme comment
combien d dans de des donc dont du elle elles en est et étaient était être eu eux fait il ils j je l la là le les leur leurs lui m ma
mais me même mes moi mon n ne nos notre nous on ont ou où par pendant peut peux plus pour pourquoi puis qu quand que quel quelle quelles
quels qui quoi s sa se sera ses si son sont sur t ta te tes toi ton très tu un une vos votre vous y`),
	"es": list(`a al algo algunas algunos ante así aún como cómo con cual cuál cuáles cuando cuándo cuanto cuánto cuántos cuántas de del
desde donde dónde durante e el él ella ellas ellos en entre era eran es esa esas ese eso esos esta está están estas este esto estos fue
fueron ha han hasta hay la las le les lo los más me mi mis mucho muy nos nosotros o os otra otro para pero por porque qué que quien quién
quienes se sea ser si sido sobre son su sus también tan tanto te tiene tienen todo todos tu tus un una uno unos y ya yo`),
	"it": list(`a ad agli ai al alla alle allo anche c che chi ci come con cosa cui d da dagli dai dal dalla dalle dallo degli dei del
della delle dello di dove e è ed era erano essere fra fu gli ha hai hanno ho i il in io l la le lei li lo loro lui ma mi mia mie miei mio
ne negli nei nel nella nelle nello noi nostra nostro o per perché più può quale quali quando quanta quante quanti quanto quella quelle
quelli quello questa queste questi questo se sei si sia sono sta su sua sue sugli sui sul sulla suo suoi tra tu tua tuo un una uno vi voi`),
	"pt": list(`a à ao aos as às até com como da das de dela dele do dos e é ela elas ele eles em entre era eram essa esse esta está estão
este eu foi foram há isso isto já lhe mais mas me mesmo meu meus minha minhas muito na nas no nos nós nossa nosso o onde os ou para pela
pelas pelo pelos pode por porque quais qual quando quanta quantas quanto quantos que quem são se seja sem ser seu seus sua suas também te
tem têm ter tu um uma você vocês`),
	"nl": list(`aan al alle als bij dan dat de deze die dit doch doen door dus een en er haar had hadden heb hebben heeft hem het hier hij
hoe hoeveel hun ik in is ja je kan kunnen maar me meer men met mij mijn moet moeten na naar nog nu of om omdat onder ons onze ook op over
te tegen toch toen tot u uit uw van veel voor waar waarom wanneer was wat we welk welke werd wie wij wil word worden wordt zal ze zich zij
zijn zo zou`),
	"ru": list(`а без был была были было быть в вам вас весь во вот все всё всего вы где да даже для до его ее её если есть еще ещё же за и
из или им их к как какая какие какой когда кого который которая которые кто куда ли мне мы на над него нее ней но о об он она они оно от
по под почему при про с сколько со так также такой там те тем то того тоже той только том ты у уже чего чей чем что чтобы эта эти это этот
я`),
	"sv": list(`alla att av blev bli de dem den denna deras dess det detta dig din du då där efter eller en er ett från för ha hade han har
hon honom hur här i jag kan man med mellan men mig min mitt mot mycket ni nu när någon något några och om oss på samma sedan sig sin sitt
ska skall skulle som så till under upp ut vad var varför vara vart vem vi vid vilka vilken vilket vill är än över`),
	"da": list(`af alle alt at blev blive bliver da de dem den denne der deres det dette dig din disse dit du efter eller en end er et for
fra få ham han har havde have hende her hun hvad hvem hver hvilke hvilken hvilket hvis hvor hvordan hvorfor hvornår i jeg jer kan kunne man
med meget men mig min mit mod ned noget nogle nu når og også om op os over på sig sin skal skulle som så til ud under var ved vi vil ville
være`),
	"no": list(`alle at av ble bli blir da de dem den denne der dere det dette deg din disse du eller en er et etter for fra få han har
hadde henne her hun hva hvem hver hvilke hvilken hvilket hvis hvor hvordan hvorfor i jeg kan kunne man med meget meg men mer min mot mye ned
noe noen nå når og også om opp oss over på seg sin skal skulle som så til ut under var ved vi vil ville være`),
}

func init() { stopLists["nb"], stopLists["nn"] = stopLists["no"], stopLists["no"] }

func list(words string) map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(words) {
		m[finish(string(lower(nil, normal(w), false)), false)] = true
	}
	return m
}

// stopWords gives the stop words of the language that a query seems to be in, of those of the collection: the one that
// more of its words are stop words of than of any other, or all of several that have as many. What is a stop word in
// one language is a word in another ("die", "was", "son"). Where a document has no language, it may be in any.
func stopWords(query []string, languages []string) map[string]bool {
	candidates := languages
	if slices.Contains(languages, "") {
		candidates = slices.Sorted(maps.Keys(stopLists))
	}
	stop := map[string]bool{}
	most := 0
	for _, l := range candidates {
		n := 0
		for _, w := range query {
			if stopLists[l][w] {
				n++
			}
		}
		if n > most {
			most = n
			clear(stop)
		}
		if n == most && n > 0 {
			maps.Copy(stop, stopLists[l])
		}
	}
	return stop
}
