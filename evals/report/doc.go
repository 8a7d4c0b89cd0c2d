// Package report shows what a run of a suite gave: as a table for a terminal, as Markdown for a pull request, as JUnit
// XML for those who count tests, and as one page of HTML that needs nothing else. It owns their forms and the order in
// which readers see things: what is red first. It refuses to judge (package stat did) and to hide: what could not be
// measured is shown and counted beside what could.
package report
