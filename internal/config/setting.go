package config

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"

	"fairlead/internal/label"
)

// kind is what a setting holds, as far as reading and writing it goes.
type kind uint8

const (
	kindStruct kind = iota
	kindMap
	kindList // of texts
	kindNumbers
	kindItems // a list of structs
	kindString
	kindSecret
	kindAddress
	kindBool
	kindInt
	kindFloat
	kindDuration
	kindSize
	kindLabel
)

// setting is one key of the configuration, read from a struct's field and its tags.
type setting struct {
	key  string
	kind kind
	// typ is the field's type, without its pointer.
	typ reflect.Type
	// optional says that the field is a pointer: nil is "not said".
	optional bool
	// index is the field's place in its struct.
	index    int
	doc      string
	def      string
	hasDef   bool
	defDoc   string
	enum     []string
	min, max string
	required bool
	// fraction says that a number may be written as one, such as 1/255.
	fraction bool
	// path says that the text names a file, relative to the configuration's.
	path bool
	// fields are a struct's settings, in order.
	fields []*setting
	// mapping is what the key holds where its value is a mapping and not a word: an optional struct, in a
	// field of its own with the same key, which comes next.
	mapping *setting
	// elem is what a map, or a list of structs, holds.
	elem *setting
	// env is the variable that sets it; empty below a map.
	env string
}

// schema gives the settings of Config. The tree does not change.
var schema = sync.OnceValue(func() *setting {
	root := &setting{typ: reflect.TypeFor[Config]()}
	describe(root, "FAIRLEAD")
	return root
})

var kinds = map[reflect.Type]kind{
	reflect.TypeFor[Secret]():        kindSecret,
	reflect.TypeFor[Address]():       kindAddress,
	reflect.TypeFor[time.Duration](): kindDuration,
	reflect.TypeFor[Size]():          kindSize,
	reflect.TypeFor[label.Label]():   kindLabel,
	reflect.TypeFor[[]string]():      kindList,
	reflect.TypeFor[[]int]():         kindNumbers,
	reflect.TypeFor[[]float64]():     kindNumbers,
}

// confidential says whether a value of the setting must not be shown.
func (s *setting) confidential(text string) bool {
	return s.kind == kindSecret || s.kind == kindAddress && NewAddress(text).secret()
}

// describe fills in what the type of a setting says. A type that Config may not have is a mistake in the
// program.
func describe(s *setting, env string) {
	if s.typ.Kind() == reflect.Pointer {
		s.optional, s.typ = true, s.typ.Elem()
	}
	k, known := kinds[s.typ]
	if known {
		s.kind, s.env = k, env
		return
	}
	switch s.typ.Kind() {
	case reflect.String:
		s.kind, s.env = kindString, env
	case reflect.Bool:
		s.kind, s.env = kindBool, env
	case reflect.Int:
		s.kind, s.env = kindInt, env
	case reflect.Float64:
		s.kind, s.env = kindFloat, env
	case reflect.Map:
		s.kind = kindMap
		s.elem = &setting{key: "NAME", typ: s.typ.Elem()}
		describe(s.elem, "")
	case reflect.Slice:
		s.kind = kindItems
		s.elem = &setting{key: "NUMBER", typ: s.typ.Elem()}
		describe(s.elem, "")
	case reflect.Struct:
		s.kind = kindStruct
		for i := range s.typ.NumField() {
			f := s.typ.Field(i)
			child := &setting{
				key: f.Tag.Get("yaml"), typ: f.Type, index: i,
				doc: f.Tag.Get("doc"), defDoc: f.Tag.Get("defaultdoc"),
				min: f.Tag.Get("min"), max: f.Tag.Get("max"),
				required: f.Tag.Get("required") != "", path: f.Tag.Get("path") != "",
				fraction: f.Tag.Get("fraction") != "",
			}
			child.def, child.hasDef = f.Tag.Lookup("default")
			if enum := f.Tag.Get("enum"); enum != "" {
				child.enum = strings.Split(enum, ",")
			}
			childEnv := ""
			if env != "" {
				childEnv = env + "_" + strings.ToUpper(child.key)
			}
			describe(child, childEnv)
			if child.kind == kindLabel {
				child.enum = label.Names()
			}
			if last := len(s.fields) - 1; last >= 0 && s.fields[last].key == child.key {
				s.fields[last].mapping = child
				continue
			}
			s.fields = append(s.fields, child)
		}
	default:
		panic(fmt.Sprintf("config: a setting cannot be a %s", s.typ))
	}
}

// field gives a struct's setting by its key.
func (s *setting) field(key string) *setting {
	for _, f := range s.fields {
		if f.key == key {
			return f
		}
	}
	return nil
}

// keys gives the keys of a struct, in order.
func (s *setting) keys() []string {
	keys := make([]string, len(s.fields))
	for i, f := range s.fields {
		keys[i] = f.key
	}
	return keys
}

// leaf says whether the setting holds one value or a list of texts.
func (s *setting) leaf() bool { return s.kind != kindStruct && s.kind != kindMap }

// at gives the field of a struct's value.
func (s *setting) at(v reflect.Value) reflect.Value { return v.Field(s.index) }

// setDefaults gives a value the defaults of its tags. An optional struct stays nil until it is written.
func (s *setting) setDefaults(v reflect.Value) {
	switch {
	case s.kind == kindStruct && !s.optional:
		for _, f := range s.fields {
			f.setDefaults(f.at(v))
		}
	case s.hasDef:
		if err := s.parse(v, s.def); err != nil {
			panic(fmt.Sprintf("config: the default of %s: %v", s.key, err))
		}
	}
}

// fresh gives a new value of the setting's type with its defaults, which can be set.
func (s *setting) fresh() reflect.Value {
	v := reflect.New(s.typ).Elem()
	if s.kind == kindStruct {
		for _, f := range s.fields {
			f.setDefaults(f.at(v))
		}
	}
	return v
}

// hold gives the value to write into: what a pointer points to, made if need be.
func (s *setting) hold(v reflect.Value) reflect.Value {
	if !s.optional {
		return v
	}
	if v.IsNil() {
		p := reflect.New(s.typ)
		p.Elem().Set(s.fresh())
		v.Set(p)
	}
	return v.Elem()
}
