package pipeline

import (
	"fairlead/providers/pipeline/picture"
	"fairlead/providers/tensor"
)

// Config declares a pipeline. The zero value of a field is the default that stands with it.
type Config struct {
	// Signature names a way of calling the model, for backends that know several. Empty: the backend's default.
	Signature string
	// Batch is the most texts, pictures or records in one call of the model; more of them become several calls. 0: 32.
	Batch  int
	Input  Input
	Output Output
}

// Input is what becomes of what a caller sends. Exactly one of its fields is set.
type Input struct {
	Text     *Text
	Tokens   *Tokens
	Image    *Image
	Features *Features
}

// Text sends texts as they are, in one tensor of type BYTES, for models that tokenize for themselves.
type Text struct {
	// Tensor is the input's name. Required.
	Tensor string
	// Column makes the shape [n, 1] and not [n].
	Column bool
}

// Tokens sends texts as numbers of tokens, in tensors of shape [n, length].
type Tokens struct {
	// Tokenizer is the file tokenizer.json of the model; see package wordpiece for what it may be. Required.
	Tokenizer string
	// IDs, Mask and Types are the names of the inputs for the tokens' numbers, for which of them are no padding (1 and
	// 0), and for which sequence they belong to. Only IDs is required.
	IDs, Mask, Types string
	// Max is the most tokens of a text, those around it included; the end of a longer text is left out. 0: 512.
	Max int
	// Full fills every text up to Max; otherwise all texts of a call are as long as its longest.
	Full bool
	// Type is Int64 or Int32. Invalid: Int64.
	Type tensor.Type
}

// Image sends pictures as numbers; see package picture for how.
type Image struct {
	// Tensor is the input's name. Required.
	Tensor string
	// Type is a type of numbers. One of whole numbers is rounded to. Invalid: Float32.
	Type tensor.Type
	// Picture says what becomes of a file.
	Picture picture.Config
}

// Features sends records of numbers. A record is a text: a JSON object with a number, true or false for each name.
type Features struct {
	// Tensor is the name of one input of shape [n, number of features], in the order of List. Empty: each feature is an
	// input of its own, of its own name and shape [n, 1].
	Tensor string
	// Type is that of the numbers. Invalid: Float32.
	Type tensor.Type
	// List are the features, in order. Required.
	List []Feature
}

// Feature is one number of a record.
type Feature struct {
	Name string
	// Default stands for it where a record lacks it or has null. Nil: it must be there.
	Default *float64
	// Type takes the place of Features.Type, where each feature is an input of its own. Invalid: that type.
	Type tensor.Type
}

// Output is what becomes of what the model gives. At most one of its fields is set; without any, the pipeline neither
// classifies nor embeds.
type Output struct {
	Classes   *Classes
	Embedding *Embedding
}

// Activations.
const (
	// None: the model gives probabilities.
	None = "none"
	// Softmax: the model gives logits, and exactly one class is right.
	Softmax = "softmax"
	// Sigmoid: the model gives logits, and each class is right or wrong for itself.
	Sigmoid = "sigmoid"
)

// Unknown is the class of what no class is probable enough for.
const Unknown = "unknown"

// Classes reads a tensor of scores.
type Classes struct {
	// Tensor is the output with a score for each class, of shape [n, classes]. With one column, or shape [n], and two
	// labels, the score is that of the second. Required.
	Tensor string
	// Activation is None, Softmax or Sigmoid. Empty: None.
	Activation string
	// Labels are the classes' names in the order of the scores. Required, unless Names is set.
	Labels []string
	// LabelsFile holds the labels in the place of Labels, one in a line.
	LabelsFile string
	// Names is the output in which the model names the classes of the scores itself, of type BYTES and the same shape.
	Names string
	// Temperature divides logits, as calibration on held-out data gives it (Guo et al. 2017, arXiv:1706.04599). 0: 1.
	Temperature float64
	// Top is the most classes that are given, the most probable first. 0: all.
	Top int
	// Threshold is the least probability of the best class. Below it the only class is Unknown, with the probability that
	// the best class is not right. 0: there is none.
	Threshold float64
	// Unknown is the name of that class. Empty: "unknown".
	Unknown string
}

// Ways to make one vector of many.
const (
	// Mean is the mean over the tokens that are no padding.
	Mean = "mean"
	// CLS is the vector of the first token.
	CLS = "cls"
)

// Embedding reads a tensor of vectors.
type Embedding struct {
	// Tensor is the output: of shape [n, numbers], or with Pooling [n, length, numbers]. Required.
	Tensor string
	// Pooling is None, Mean or CLS. Empty: None.
	Pooling string
	// Normalize makes the length of each vector 1.
	Normalize bool
}
