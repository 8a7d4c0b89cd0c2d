package config

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"

	"fairlead/internal/label"
)

// parse reads a leaf from a text, as the environment, a flag and a default give it. A list's items are
// parted by commas. The error says what is allowed and does not repeat the text.
func (s *setting) parse(v reflect.Value, text string) error {
	parsed := reflect.New(s.typ).Elem()
	switch s.kind {
	case kindString:
		parsed.SetString(text)
	case kindSecret:
		parsed.Set(reflect.ValueOf(NewSecret(text)))
	case kindAddress:
		parsed.Set(reflect.ValueOf(NewAddress(text)))
	case kindList:
		var items []string
		for item := range strings.SplitSeq(text, ",") {
			if item = strings.TrimSpace(item); item != "" {
				items = append(items, item)
			}
		}
		parsed.Set(reflect.ValueOf(items))
	case kindBool:
		switch text {
		case "true", "false":
			parsed.SetBool(text == "true")
		default:
			return errors.New("want true or false")
		}
	case kindInt:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return errors.New("want a whole number")
		}
		parsed.SetInt(n)
	case kindFloat:
		number, below, fraction := strings.Cut(text, "/")
		n, ok := parseFloat(number)
		if divisor, okToo := parseFloat(below); fraction {
			n, ok = n/divisor, ok && okToo && s.fraction && divisor != 0 && !math.IsInf(n/divisor, 0)
		}
		if !ok {
			return errors.New("want " + s.wants())
		}
		parsed.SetFloat(n)
	case kindNumbers:
		list, err := s.parseNumbers(text)
		if err != nil {
			return err
		}
		parsed.Set(list)
	case kindDuration:
		d, err := time.ParseDuration(text)
		if err != nil {
			return errors.New("want a duration such as 800ms, 30s or 5m")
		}
		parsed.SetInt(int64(d))
	case kindSize:
		n, err := ParseSize(text)
		if err != nil {
			return err
		}
		parsed.SetInt(int64(n))
	case kindLabel:
		l, err := label.Parse(text)
		if err != nil || !l.Valid() {
			return s.notOne()
		}
		parsed.Set(reflect.ValueOf(l))
	default:
		return errors.New("cannot be written as one text: name one of its settings")
	}
	if err := s.check(parsed); err != nil {
		return err
	}
	if s.optional {
		p := reflect.New(s.typ)
		p.Elem().Set(parsed)
		parsed = p
	}
	v.Set(parsed)
	return nil
}

func parseFloat(text string) (float64, bool) {
	n, err := strconv.ParseFloat(text, 64)
	return n, err == nil && !math.IsNaN(n) && !math.IsInf(n, 0) && !strings.ContainsAny(text, "xX_pP")
}

// parseNumbers reads numbers parted by commas.
func (s *setting) parseNumbers(text string) (reflect.Value, error) {
	list := reflect.MakeSlice(s.typ, 0, 4)
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		n := reflect.New(s.typ.Elem()).Elem()
		if n.CanInt() {
			whole, err := strconv.ParseInt(item, 10, 32)
			if err != nil {
				return list, errors.New("want " + s.wants())
			}
			n.SetInt(whole)
		} else {
			f, ok := parseFloat(item)
			if !ok {
				return list, errors.New("want " + s.wants())
			}
			n.SetFloat(f)
		}
		list = reflect.Append(list, n)
	}
	return list, nil
}

// check holds a leaf to its enum and its range.
func (s *setting) check(v reflect.Value) error {
	switch s.kind {
	case kindString:
		if len(s.enum) > 0 && !s.allows(v.String()) {
			return s.notOne()
		}
	case kindList:
		for i := range v.Len() {
			if len(s.enum) > 0 && !s.allows(v.Index(i).String()) {
				return s.notOne()
			}
		}
	case kindInt, kindSize, kindDuration, kindFloat:
		return s.checkRange(v)
	}
	return nil
}

func (s *setting) checkRange(v reflect.Value) error {
	if (s.min != "" && number(v) < s.bound(s.min)) || (s.max != "" && number(v) > s.bound(s.max)) {
		switch {
		case s.max == "":
			return fmt.Errorf("want %s or more", s.min)
		case s.min == "":
			return fmt.Errorf("want %s at most", s.max)
		default:
			return fmt.Errorf("want from %s to %s", s.min, s.max)
		}
	}
	return nil
}

// bound reads a min or max tag as a number of the setting's own unit.
func (s *setting) bound(text string) float64 {
	plain := *s
	plain.min, plain.max, plain.optional = "", "", false
	v := reflect.New(s.typ).Elem()
	if err := plain.parse(v, text); err != nil {
		panic(fmt.Sprintf("config: a bound of %s: %v", s.key, err))
	}
	return number(v)
}

func number(v reflect.Value) float64 {
	if v.CanInt() {
		return float64(v.Int())
	}
	return v.Float()
}

func (s *setting) allows(text string) bool {
	for _, allowed := range s.enum {
		if text == allowed {
			return true
		}
	}
	return false
}

func (s *setting) notOne() error {
	if s.kind == kindList {
		return fmt.Errorf("want a list of %s", strings.Join(s.enum, ", "))
	}
	return fmt.Errorf("want one of %s", strings.Join(s.enum, ", "))
}

// wants says what a setting takes, for a message about a wrong type.
func (s *setting) wants() string {
	switch s.kind {
	case kindStruct:
		return "settings (" + strings.Join(s.keys(), ", ") + ")"
	case kindMap:
		return "named entries"
	case kindList:
		return "a list, such as [a, b]"
	case kindNumbers:
		if s.typ.Elem().Kind() == reflect.Int {
			return "a list of whole numbers, such as [1, 2]"
		}
		return "a list of numbers, such as [0.5, 1]"
	case kindItems:
		return "a list of settings (" + strings.Join(s.elem.keys(), ", ") + ")"
	case kindBool:
		return "true or false"
	case kindInt:
		return "a whole number"
	case kindFloat:
		if s.fraction {
			return "a number, or a fraction such as 1/255"
		}
		return "a number"
	case kindDuration:
		return "a duration such as 800ms, 30s or 5m"
	case kindSize:
		return "a size such as 512KiB or 4MiB"
	case kindLabel:
		return "one of " + strings.Join(s.enum, ", ")
	default:
		if len(s.enum) > 0 {
			return "one of " + strings.Join(s.enum, ", ")
		}
		return "text"
	}
}

// text writes a leaf as parse reads it, except that a secret is masked.
func (s *setting) text(v reflect.Value) string {
	switch s.kind {
	case kindFloat:
		return strconv.FormatFloat(v.Float(), 'g', -1, 64)
	case kindList:
		items := make([]string, v.Len())
		for i := range items {
			items[i] = v.Index(i).String()
		}
		return strings.Join(items, ",")
	case kindNumbers:
		items := make([]string, v.Len())
		for i := range items {
			if items[i] = fmt.Sprint(v.Index(i).Interface()); v.Index(i).CanFloat() {
				items[i] = strconv.FormatFloat(v.Index(i).Float(), 'g', -1, 64)
			}
		}
		return strings.Join(items, ", ")
	case kindString:
		return v.String()
	case kindDuration:
		return durationText(time.Duration(v.Int()))
	default:
		return fmt.Sprint(v.Interface())
	}
}

// durationText writes a duration without the zeros that String adds: "2m" for "2m0s".
func durationText(d time.Duration) string {
	text := d.String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}
