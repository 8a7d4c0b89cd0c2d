package locale

import "strings"

// words are the most frequent function words and words of asking, by language. What languages share counts
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
