package hashing

// commonWords are the most common words of English, German, French, Spanish, Portuguese, Italian, Dutch
// and Arabic, as far as they are not also words with a meaning in one of the others.
const commonWords = `
a about after all also an and any are as at be because been but by can could did do does for from had has
have he her here him his how i if in into is it its may me more most my no not of on one or other our out
over per she should so some such than that the their them then there these they this those to under up
upon us use used using very was we were what when where which while who whom whose why will with would you
your
aber alle als am auf aus bei bin bis da das dass dem den der des die diese dieser dieses durch ein eine
einem einen einer eines er es für hat hatte hier ich ihr im ist ja kann kein keine mit nach nicht noch nur
oder ohne schon sehr sein sich sie sind um und uns unter vom von vor war waren was weil welche welcher wenn
wer werden wie wir wird wo zu zum zur über
au aux avec ce ces cette comme dans de du elle elles en est et il ils je la le les leur lui mais même ne
nous on où par pas plus pour que quel quelle qui sa sans se ses son sont sur un une vous été être à
al como con cual cuál cuando de del donde el ella ellos en entre es esta este esto la las lo los más muy no
o para pero por que qué quién se ser sin sobre son su sus también un una y ya
ao aos as com da das dos e em isso mas na nas nos não o os ou pela pelo por quando quem são também um uma
che chi ci come con cosa da dal della delle di dove e gli ho i il in la le lo ma nel non per perché più
quale quando questa questo se si sono su sul un una è
aan als bij dat de deze die dit door een en er ook het hij hoe ik in is maar met naar niet nog of om onder
op over te tot uit van veel voor waar waarom wat wel welke wie worden wordt zijn
من في على إلى عن أن إن هذا هذه ذلك التي الذي كان كانت هو هي ما لا مع كل أو ثم قد لم لن بين بعد قبل هل كيف
أين متى ماذا لماذا عند كما أي و
`
