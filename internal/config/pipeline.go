package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// Input is what becomes of what a caller sends, before a model on a model server.
type Input struct {
	Batch    int            `yaml:"batch" default:"32" min:"1" max:"4096" doc:"The most texts, pictures or records in one call; more of them become several calls, one after the other."`
	Text     *TextInput     `yaml:"text" doc:"Texts as they are, in one tensor of type BYTES (DT_STRING), for models that tokenize for themselves. Kind torchserve: each as the body of a call."`
	Tokens   *TokensInput   `yaml:"tokens" doc:"Texts as numbers of tokens, in tensors of shape [n, length]."`
	Image    *ImageInput    `yaml:"image" doc:"JPEG, PNG and WebP files as numbers."`
	Example  *ExampleInput  `yaml:"example" doc:"Kind tfserving: each text as a tf.Example with one feature, for models with a signature of classification. They name their classes and give their probabilities, so there is no output."`
	Features *FeaturesInput `yaml:"features" doc:"Records of numbers: a text is a JSON object with a number, true or false for each feature."`
}

// TextInput sends texts as they are.
type TextInput struct {
	Tensor string `yaml:"tensor" required:"true" doc:"The name of the model's input."`
	Column bool   `yaml:"column" default:"false" doc:"The input has the shape [n, 1] and not [n]."`
}

// ExampleInput sends texts as examples.
type ExampleInput struct {
	Feature string `yaml:"feature" default:"text" doc:"The name of the feature that holds the text."`
}

// TokensInput sends texts as tokens.
type TokensInput struct {
	Tokenizer string `yaml:"tokenizer" required:"true" path:"true" doc:"The file tokenizer.json that comes with the model. It must be of the BERT family: WordPiece with the BERT normaliser."`
	IDs       string `yaml:"ids" required:"true" doc:"The name of the model's input for the tokens' numbers, such as input_ids."`
	Mask      string `yaml:"mask" doc:"That for which tokens are no padding, such as attention_mask. Empty: the model has none."`
	Types     string `yaml:"types" doc:"That for the sequences that tokens belong to, such as token_type_ids. Empty: the model has none."`
	Max       int    `yaml:"max" default:"512" min:"1" max:"65536" doc:"The most tokens of a text, those around it included; the end of a longer text is left out."`
	Pad       string `yaml:"pad" default:"longest" enum:"longest,max" doc:"How long all texts of a call are made: as its longest, or as max, for models of a fixed length."`
	Type      string `yaml:"type" default:"INT64" enum:"INT64,INT32" doc:"The type of the model's inputs."`
}

// ImageInput sends pictures.
type ImageInput struct {
	Tensor    string    `yaml:"tensor" required:"true" doc:"The name of the model's input."`
	Size      []int     `yaml:"size" required:"true" doc:"What the model sees: [height, width] in pixels."`
	Resize    string    `yaml:"resize" default:"exact" enum:"exact,shorter" doc:"exact resizes to size, whatever becomes of the proportions; shorter keeps them, resizes so that the shorter side is shorter, and cuts the middle out."`
	Shorter   int       `yaml:"shorter" default:"0" min:"0" max:"4096" doc:"What the shorter side becomes before the middle is cut out, such as 256 for size [224, 224]. 0: as little as covers size."`
	Antialias bool      `yaml:"antialias" default:"true" doc:"All pixels count when a picture becomes smaller, as Pillow and torchvision do it. false: bilinear between neighbours alone, as tf.image.resize and OpenCV do it."`
	Channels  string    `yaml:"channels" default:"RGB" enum:"RGB,BGR,gray" doc:"The channels and their order."`
	Scale     float64   `yaml:"scale" fraction:"true" default:"0" min:"0" defaultdoc:"1/255" doc:"What values from 0 to 255 are multiplied by. 1 leaves them."`
	Mean      []float64 `yaml:"mean" defaultdoc:"0" doc:"What is then taken off: one number, or one for each channel."`
	Std       []float64 `yaml:"std" defaultdoc:"1" doc:"What it is then divided by: one number, or one for each channel."`
	Layout    string    `yaml:"layout" default:"NCHW" enum:"NCHW,NHWC" doc:"The order of the axes: channels first, as PyTorch has them, or last, as TensorFlow."`
	Type      string    `yaml:"type" default:"FP32" enum:"FP32,FP16,BF16,FP64,UINT8,INT8,INT32" doc:"The type of the model's input. Whole numbers are rounded to."`
	MaxPixels int       `yaml:"max_pixels" default:"40000000" min:"1" max:"1000000000" doc:"The most pixels that a picture may have; it is refused before it is decoded. Decoding takes up to 12 bytes for each."`
}

// FeaturesInput sends records.
type FeaturesInput struct {
	Tensor string    `yaml:"tensor" doc:"The name of one input with all features, of shape [n, features]. Empty: each feature is an input of its own, of its own name and shape [n, 1]."`
	Type   string    `yaml:"type" default:"FP32" enum:"FP32,FP16,BF16,FP64,INT8,INT16,INT32,INT64,UINT8,UINT16,UINT32,UINT64" doc:"The type of the numbers."`
	List   []Feature `yaml:"list" defaultdoc:"(must be set)" doc:"The features, in order."`
}

// Feature is one number of a record.
type Feature struct {
	Name    string   `yaml:"name" required:"true" doc:"The feature's name in the record, and of the input where each has its own."`
	Default *float64 `yaml:"default" defaultdoc:"none" doc:"What stands for it where a record lacks it. None: such a record is refused."`
	Type    string   `yaml:"type" enum:"FP32,FP16,BF16,FP64,INT8,INT16,INT32,INT64,UINT8,UINT16,UINT32,UINT64" defaultdoc:"the type of all" doc:"Its type, where each feature is an input of its own."`
}

// Output is what becomes of a model's numbers.
type Output struct {
	Classes   *ClassesOutput   `yaml:"classes" doc:"Scores that stand for classes."`
	Embedding *EmbeddingOutput `yaml:"embedding" doc:"Vectors."`
}

// ClassesOutput reads scores.
type ClassesOutput struct {
	Tensor      string   `yaml:"tensor" required:"true" doc:"The output with a score for each class, of shape [n, classes]. With one column and two labels, the score is that of the second."`
	Activation  string   `yaml:"activation" default:"none" enum:"none,softmax,sigmoid" doc:"none: the scores are probabilities. softmax and sigmoid make some of logits: of classes of which one is right, and of classes that are right or wrong each for itself."`
	Labels      []string `yaml:"labels" doc:"The classes' names in the order of the scores."`
	LabelsFile  string   `yaml:"labels_file" path:"true" doc:"A file with the names in the place of labels, one in a line."`
	Names       string   `yaml:"names" doc:"The output in which the model names the classes itself, in the place of labels: of type BYTES and the shape of the scores."`
	Temperature float64  `yaml:"temperature" default:"0" min:"0" max:"1000" defaultdoc:"1" doc:"What logits are divided by, to make probabilities honest (calibration)."`
	Top         int      `yaml:"top" default:"0" min:"0" doc:"The most classes that are given, the most probable first. 0: all."`
	Threshold   float64  `yaml:"threshold" default:"0" min:"0" max:"1" doc:"The least probability of the best class. Below it the class is unknown, with the probability that the best one is wrong."`
	Unknown     string   `yaml:"unknown" default:"unknown" doc:"The name of that class."`
}

// EmbeddingOutput reads vectors.
type EmbeddingOutput struct {
	Tensor    string `yaml:"tensor" required:"true" doc:"The output with the vectors: of shape [n, numbers], or where they are pooled [n, length, numbers]."`
	Pooling   string `yaml:"pooling" default:"none" enum:"none,mean,cls" doc:"How one vector is made of a text's many: their mean, padding left out, or the first."`
	Normalize bool   `yaml:"normalize" default:"false" doc:"Make the length of each vector 1."`
}

// servesTensors says whether a kind serves models over tensors, whose targets declare input and output.
func servesTensors(kind string) bool {
	return kind == KindTFServing || kind == KindOpenInference || kind == KindTorchServe
}

// tensors checks what a target of a model server declares. What only the pipeline knows is checked where it is made.
func (k *checker) tensors(at string, b Backend, t Target) {
	if !servesTensors(b.Kind) {
		for key, set := range map[string]bool{"signature": t.Signature != "", "input": t.Input != nil, "output": t.Output != nil} {
			if set {
				k.wrong(at+"."+key, "is for model servers (tfserving, openinference, torchserve): leave it out")
			}
		}
		return
	}
	if t.Signature != "" && b.Kind == KindOpenInference {
		k.wrong(at+".signature", "is not for kind openinference: leave it out")
	}
	if b.Kind == KindTorchServe && t.Input != nil && t.Input.Text == nil {
		k.wrong(at+".input", "TorchServe takes no tensors: want text, each of which is the body of a call")
	}
	if t.Input == nil && t.Output != nil {
		k.wrong(at+".input", "must be set: want text, tokens, image, features or example, as the model takes it")
	} else if t.Input != nil {
		k.input(at+".input", t.Input)
	}
	switch {
	case t.Input != nil && t.Input.Example != nil:
		if b.Kind != KindTFServing {
			k.wrong(at+".input.example", "is for kind tfserving: want text, tokens, image or features")
		}
		if t.Output != nil {
			k.wrong(at+".output", "is not for input.example, whose answers are classes already: leave it out")
			return
		}
	case t.Input == nil && t.Output == nil: // it only runs its model over tensors
	case t.Output == nil || (t.Output.Classes == nil) == (t.Output.Embedding == nil):
		k.wrong(at+".output", "must be set: want one of classes and embedding; without input and output the target only predicts")
		return
	default:
		k.output(at+".output", t.Output)
	}
	can := t.can()
	for _, does := range t.Does {
		if !slices.Contains(can, does) {
			k.wrong(at+".does", "a target with this output does [%s] and nothing else", strings.Join(can, ", "))
			return
		}
	}
}

// can gives all that a target of a model server can do.
func (t *Target) can() []string {
	if made := t.made(); made != "" {
		return []string{made, "predict"}
	}
	return []string{"predict"}
}

// inPieces are what is answered in one piece, and so can be batched.
var inPieces = []string{"classify", "embed", "predict"}

// together checks what a target says of calls that are made as one, and of answers that are kept.
func (k *checker) together(at string, b Backend, t Target) {
	does := func(what ...string) bool {
		return slices.ContainsFunc(t.Does, func(d string) bool { return slices.Contains(what, d) })
	}
	if t.Batch != nil && (!does(inPieces...) || inProcess(b.Kind)) {
		k.wrong(at+".batch", "is for targets on servers that classify, embed or predict: leave it out")
	}
	if t.Cache != nil && *t.Cache > 0 && !does("classify", "embed") {
		k.wrong(at+".cache", "is for targets that classify or embed: leave it out")
	}
	if t.Batch != nil && t.Input != nil && t.Batch.Max > t.Input.Batch {
		k.unsure = append(k.unsure, Problem{Path: at + ".batch.max", Text: fmt.Sprintf(
			"it is more than input.batch, so that one call becomes several, one after the other: set input.batch to %d as well", t.Batch.Max)})
	}
	if !servesTensors(b.Kind) && b.Kind != "" && slices.Contains(t.Does, "predict") {
		k.wrong(at+".does", "kind %s does not predict", b.Kind)
	}
}

// CacheTime gives how long the target's answers are kept, on a backend of a kind.
func (t *Target) CacheTime(kind string) time.Duration {
	switch {
	case t.Cache != nil:
		return *t.Cache
	case inProcess(kind) || !slices.Contains(t.Does, "classify") && !slices.Contains(t.Does, "embed"):
		return 0
	}
	return DefaultCache
}

// DefaultCache is how long classes and vectors are kept where nothing is said.
const DefaultCache = 10 * time.Minute

// made gives what a target of a model server can do.
func (t *Target) made() string {
	switch {
	case t.Input != nil && t.Input.Example != nil, t.Output != nil && t.Output.Classes != nil:
		return "classify"
	case t.Output != nil:
		return "embed"
	default:
		return ""
	}
}

func (k *checker) must(at, value string) {
	if value == "" {
		k.wrong(at, "must be set: want the name that the model gives it")
	}
}

func (k *checker) input(at string, in *Input) {
	set := 0
	if in.Text != nil {
		set++
		k.must(at+".text.tensor", in.Text.Tensor)
	}
	if in.Example != nil {
		set++
		k.must(at+".example.feature", in.Example.Feature)
	}
	if c := in.Tokens; c != nil {
		set++
		k.must(at+".tokens.ids", c.IDs)
		if c.Tokenizer == "" {
			k.wrong(at+".tokens.tokenizer", "must be set: want the model's tokenizer.json")
		}
		if c.IDs == c.Mask || c.IDs == c.Types || c.Mask != "" && c.Mask == c.Types {
			k.wrong(at+".tokens", "ids, mask and types are different inputs of the model, and have different names")
		}
	}
	if c := in.Image; c != nil {
		set++
		k.must(at+".image.tensor", c.Tensor)
		switch {
		case len(c.Size) != 2 || min(c.Size[0], c.Size[1]) < 1 || max(c.Size[0], c.Size[1]) > 2048:
			k.wrong(at+".image.size", "want [height, width], each from 1 to 2048")
		case c.Shorter != 0 && c.Resize != "shorter":
			k.wrong(at+".image.shorter", "is for resize: shorter")
		case c.Shorter != 0 && c.Shorter < max(c.Size[0], c.Size[1]):
			k.wrong(at+".image.shorter", "want %d or more, as size", max(c.Size[0], c.Size[1]))
		}
		for _, s := range c.Std {
			if s <= 0 {
				k.wrong(at+".image.std", "want numbers above 0")
				break
			}
		}
	}
	if c := in.Features; c != nil {
		set++
		if len(c.List) == 0 {
			k.wrong(at+".features.list", "must be set: want the features, such as [{name: age}]")
		}
	}
	if set != 1 {
		k.wrong(at, "want exactly one of text, tokens, image, features and example")
	}
}

func (k *checker) output(at string, out *Output) {
	if e := out.Embedding; e != nil {
		k.must(at+".embedding.tensor", e.Tensor)
	}
	c := out.Classes
	if c == nil {
		return
	}
	at += ".classes"
	k.must(at+".tensor", c.Tensor)
	named := 0
	for _, set := range []bool{len(c.Labels) > 0, c.LabelsFile != "", c.Names != ""} {
		if set {
			named++
		}
	}
	if named != 1 {
		k.wrong(at, "want exactly one of labels, labels_file and names")
	}
	if c.Temperature != 0 && c.Activation == "none" {
		k.wrong(at+".temperature", "is for logits: set activation to softmax or sigmoid")
	}
}
