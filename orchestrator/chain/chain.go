// Package chain is the form of a chain: named, versioned steps with typed inputs, read from YAML. It owns
// the file format, its validation as a whole and the two small languages within it: logic-less templates
// ({{name}}) for values and CEL for conditions. It refuses to run anything; orchestrator does.
package chain

import (
	"time"

	"fairlead/internal/label"
	"fairlead/providers"
	"fairlead/retrieval"
)

// Chain is a validated chain. It does not change after it was read, and runs may share it.
type Chain struct {
	Name        string
	Version     int
	Description string
	Inputs      []Input
	// Budget counts when Limited.
	Budget  providers.Money
	Limited bool
	// Deadline is the most time that a run may take. 0: no limit.
	Deadline time.Duration
	// Label is the lowest label of a run.
	Label label.Label
	Steps []*Step
	// Output is the run's output.
	Output *Template
	// UsesLocale says that something refers to run.locale.
	UsesLocale bool
	// Digest is the SHA-256 of the file, in hex: a run records what it ran.
	Digest string
	// File is where it was read from, for messages.
	File string
}

// Type is the type of an input.
type Type string

// The types. They are JSON's.
const (
	String  Type = "string"
	Number  Type = "number"
	Integer Type = "integer"
	Boolean Type = "boolean"
	List    Type = "list"
	Object  Type = "object"
)

// Input is one input of a chain, written `name: type` or, when it may be left out, `name: type?`, or as a
// mapping with type, optional, default and description.
type Input struct {
	Name        string
	Description string
	Type        Type
	// Optional: it may be left out, which an input with a Default may be too.
	Optional bool
	// Default is what stands for an input that was left out. Nil: nothing does.
	Default any
}

// Kind is a kind of step.
type Kind string

// The kinds.
const (
	KindGenerate  Kind = "generate"
	KindRetrieve  Kind = "retrieve"
	KindEmbed     Kind = "embed"
	KindClassify  Kind = "classify"
	KindPredict   Kind = "predict"
	KindSummarize Kind = "summarize"
	KindChoose    Kind = "choose"
	KindParallel  Kind = "parallel"
)

// Step is one unit of a chain. Exactly one of the pointers that bear a kind's name is set, or Parallel.
type Step struct {
	ID   string
	Kind Kind
	// Optional: a failure does not end the run.
	Optional bool
	// When is nil when the step always runs.
	When *Condition
	// Policy names the policy of a model step. Empty: the engine's default.
	Policy string
	// Target pins a model step to one target, which must still qualify under the policy.
	Target string
	// Label is the lowest label of the step.
	Label label.Label
	// Timeout is the most time that the step may take. 0: what the run has left.
	Timeout time.Duration
	// Budget is the step's part of the run's money and time. Nil: nothing is said.
	Budget *Budget

	Generate  *Generate
	Retrieve  *Retrieve
	Embed     *Embed
	Classify  *Classify
	Predict   *Predict
	Summarize *Summarize
	Choose    *Choose
	// Parallel holds the steps that run side by side.
	Parallel []*Step

	// Line and Column are where the step stands in the file, from 1.
	Line, Column int
}

// Generate asks a model. Its result is {text, finish, target, model, citations, json}; json is there when
// a JSON form was asked for.
type Generate struct {
	// Prompt names a prompt and the version that the chain pins. An inline prompt has System and User
	// instead.
	Prompt        string
	PromptVersion int
	System, User  *Template
	// Locale chooses the prompt's variant by language. Nil, or empty when rendered: the default variant.
	Locale *Template
	// With fills the prompt's inputs.
	With map[string]*Template
	// Documents is the id of the retrieve step whose passages are shown to the model.
	Documents string
	// Query is the question in the caller's own words, for targets that answer from documents. Nil: the
	// retrieve step's query.
	Query *Template
	// Session makes the step take part in the run's remembered conversation, if it names one.
	Session bool

	MaxTokens   *int
	Temperature *float64
	TopP        *float64
	Seed        *int64
	Stop        []string
	Format      providers.Format
}

// Retrieve searches a collection. Its result is {count, exhausted, passages: [{id, uri, title, heading,
// text, score, label, line_start, line_end}], query}.
type Retrieve struct {
	// Collection is a name, or a template over the inputs.
	Collection *Template
	Query      *Template
	// Top is how many passages; 0 is 6. Limit gives the number that counts.
	Top int
	// TopFrom, when not nil, is one placeholder that gives the number at run time.
	TopFrom *Template
	Filter  []FilterCondition
}

// FilterCondition is a metadata condition whose value may hold templates.
type FilterCondition struct {
	Field string
	Op    retrieval.Op
	// Value is float64, bool, or a []any of text and float64; text is in Template.
	Value    any
	Template *Template
}

// Embed makes a vector of a text. Its result is {dimensions, vector, target}.
type Embed struct {
	Text *Template
}

// Unknown is the class of a text whose most probable class is not probable enough, and, for labels, of one
// that could not be classified.
const Unknown = "unknown"

// Classify tells the class of a text, a picture or a record: one of Text, Image and Features is set. The step's Target
// is the classifier: classes of two classifiers cannot be compared, so there is no other. Its result is {label,
// probability, classes: [{name, probability}], unknown, target}.
type Classify struct {
	Text *Template
	// Image renders to a picture's file in base64, or as a data URL.
	Image *Template
	// Features are the numbers of a record, in the order of the file.
	Features []Feature
	// UnknownBelow is the least probability of a class; below it the label is Unknown. 0: every class will do.
	UnknownBelow float64
	// Labels gives the label that the run's data has from there on when a class was found. A class that is
	// not in it changes nothing.
	Labels map[string]label.Label
}

// Feature is one number of a record.
type Feature struct {
	Name string
	// Value renders to a number, true or false. What renders to nothing is left out of the record.
	Value *Template
}

// Templates gives what the step is made from.
func (c *Classify) Templates() []*Template {
	var list []*Template
	for _, t := range []*Template{c.Text, c.Image} {
		if t != nil {
			list = append(list, t)
		}
	}
	for _, f := range c.Features {
		list = append(list, f.Value)
	}
	return list
}

// LabelOf gives the label that a class stands for, or Unset. What is unknown, and the map does not say, may be
// any of the classes: then it is the highest.
func (c *Classify) LabelOf(class string) label.Label {
	l, ok := c.Labels[class]
	if !ok && class == Unknown {
		for _, of := range c.Labels {
			l = label.Join(l, of)
		}
	}
	return l
}

// Method says how a summary is made from several documents.
type Method string

// The methods.
const (
	Stuff     Method = "stuff"
	MapReduce Method = "map_reduce"
	Refine    Method = "refine"
)

// Summarize makes one text of several; a file that names no method means MapReduce. Its result is {text, method, documents}.
type Summarize struct {
	Method Method
	// Documents is the id of a retrieve step; or Text is split and summarized.
	Documents string
	Text      *Template
	// Instruction says what the summary is for, in addition to the shipped prompt. Nil: nothing.
	Instruction *Template
	MaxTokens   *int
	Temperature *float64
}

// Choose runs the steps of the first case whose condition holds. Its result is {case}: the case's name
// or number, or "else", or "" when none held.
type Choose struct {
	Cases []Case
	Else  []*Step
}

// Case is one branch of a choose step.
type Case struct {
	// Name is for the record; the case's number from 1 when the file gives none.
	Name  string
	When  *Condition
	Steps []*Step
}

// Scope is what templates and conditions see: input.NAME (templates also as plain NAME), steps.ID.FIELD,
// and run.{id, chain, version, label, tenant, locale, left_usd, left_ms}. It is made of what JSON knows, and of
// int and int64. A step that was skipped, or that failed and was optional, is not in Steps or has no
// fields there.
type Scope struct {
	Input map[string]any
	Steps map[string]map[string]any
	Run   map[string]any
}
