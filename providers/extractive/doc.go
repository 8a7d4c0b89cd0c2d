// Package extractive answers questions by quoting documents. It needs no model and no network: it is the
// floor that answers when nothing else can, and it never says what no document says. It owns reading
// Markdown into what can be quoted, scoring that against a question, and choosing a few quotes. It
// refuses everything else: to chat, to write JSON, to call tools, to see pictures, and to answer without
// documents.
//
// # What is quoted
//
// A document's text is read as Markdown, of which plain text is a case. Quoted as a whole are sentences,
// list items, table rows, code blocks with the line that leads to them, and lists with the line that
// leads to them or with numbers. A code block is never cut. Headings, tables' headers, leading lines and
// questions in the text are not quoted by themselves; they say what stands below them is about. Each
// quote has a Citation with its exact bytes. The text of the answer shows the same words with spaces
// folded, and a mark: "The server listens on port 8080. [1]".
//
// # How it is chosen
//
// The words of a question, question words and other stop words aside, weigh by how rare they are in the
// request's own documents (the inverse document frequency of BM25; Robertson and Zaragoza, "The
// Probabilistic Relevance Framework", 2009). A unit covers a word fully when it has it, in part when it has one
// with the same start, and in part when the word stands in its heading, its leading line, the title or a
// neighbouring sentence. The score is the weight of what is covered, with small rewards for an answer of the kind
// that was asked for: a number, a name, a definition, a command. Further quotes must be nearly as good
// as the best, say something of their own about the question and repeat little. They are given in the order
// of the documents.
//
// When the best quote covers too little of the question, the answer says that the sources do not answer, and
// cites nothing. Words are compared by their letters, in any script, and by a short list of English words
// that askers and writers of software's documentation use for one another ("start", "run", "serve"). There is no
// other knowledge of meaning: a question in other words than the documents', or in another language, finds nothing.
//
// # Usage
//
// Tokens are words: the question's and the documents' for input, the quotes' for output. They are counted,
// not estimated. MaxTokens counts words of quotes, too; a best quote that is longer is cut, and the finish is then
// "length".
package extractive
