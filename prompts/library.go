package prompts

import (
	"cmp"
	"embed"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"fairlead/internal/fault"
)

//go:embed library/*.md
var shipped embed.FS

// Shipped gives the prompts that come with the program, as files.
func Shipped() fs.FS {
	sub, err := fs.Sub(shipped, "library")
	if err != nil {
		panic(err) // the name is a constant that the compiler embedded
	}
	return sub
}

// Library holds prompts by name, version and locale. Its zero value is empty. It does not change after
// Load, and is safe for concurrent use.
type Library struct {
	prompts map[key]*Prompt
}

type key struct {
	name    string
	version int
	locale  string // canonical: lower case
}

// Load reads the shipped prompts and then each folder given, with the folders below it. Files that end
// in ".md" are prompts, but for README.md; other files and those whose name begins with "." are left
// alone. The error is a fault.FailedPrecondition with fault.ReasonBadPrompt that lists, one on a line
// with file, line and column, all that is wrong.
func Load(fsys ...fs.FS) (*Library, error) {
	return load(append([]fs.FS{Shipped()}, fsys...)...)
}

func load(layers ...fs.FS) (*Library, error) {
	l := &Library{prompts: map[key]*Prompt{}}
	var problems []string
	report := func(err error) {
		if err != nil {
			problems = append(problems, err.Error())
		}
	}
	for _, layer := range layers {
		for p, err := range read(layer) {
			if err != nil {
				report(err)
				continue
			}
			report(l.add(p))
		}
	}
	for _, p := range l.sorted() {
		if p.Locale != "" {
			base := l.prompts[key{p.Name, p.Version, ""}]
			if base == nil {
				report(fmt.Errorf("%s:1:1: a variant needs its default: there is no %s@%d.md", p.File, p.Name, p.Version))
				continue
			}
			p.inputs = base.inputs
			if p.Description == "" {
				p.Description = base.Description
			}
		}
		report(p.checkInputs())
	}
	if problems != nil {
		return nil, fault.New(fault.FailedPrecondition, fault.ReasonBadPrompt, "reading prompts:\n%s", strings.Join(problems, "\n"))
	}
	return l, nil
}

// read gives the prompts of a folder, or what is wrong with a file of it.
func read(fsys fs.FS) func(yield func(*Prompt, error) bool) {
	return func(yield func(*Prompt, error) bool) {
		// The walk's own errors are yielded; it ends early only when the reader does.
		_ = fs.WalkDir(fsys, ".", func(name string, d fs.DirEntry, err error) error {
			var p *Prompt
			switch base := path.Base(name); {
			case err != nil:
				err = fmt.Errorf("%s:1:1: %w", name, err)
			case base != "." && strings.HasPrefix(base, "."):
				if d.IsDir() {
					return fs.SkipDir
				}
				return nil
			case d.IsDir() || path.Ext(base) != ".md" || strings.EqualFold(base, "README.md"):
				return nil
			default:
				var data []byte
				if data, err = fs.ReadFile(fsys, name); err != nil {
					err = fmt.Errorf("%s:1:1: %w", name, err)
				} else {
					p, err = parse(name, data)
				}
			}
			if !yield(p, err) {
				return fs.SkipAll
			}
			return nil
		})
	}
}

func (l *Library) add(p *Prompt) error {
	k := key{p.Name, p.Version, strings.ToLower(p.Locale)}
	if old := l.prompts[k]; old != nil {
		if old.Digest != p.Digest {
			return fmt.Errorf("%s:1:1: %s@%d is already there with other words (from %s): a version never changes what it says, so name this one %s@%d",
				p.File, p.Name, p.Version, old.File, p.Name, l.highest(p.Name)+1)
		}
		return nil
	}
	l.prompts[k] = p
	return nil
}

// highest gives the highest version of a prompt. 0: there is none.
func (l *Library) highest(name string) int {
	highest := 0
	for k := range l.prompts {
		if k.name == name {
			highest = max(highest, k.version)
		}
	}
	return highest
}

// Get gives a prompt. A version of 0 is the highest there is. Of the variants it gives the one for the
// locale, or else for the locale with its last subtags left out ("de-AT", then "de"), or else the
// default; "_" in a locale is as "-", and case does not matter. A prompt that is not there is a
// fault.NotFound with fault.ReasonUnknownPrompt that lists those that are.
func (l *Library) Get(name string, version int, locale string) (*Prompt, error) {
	v := version
	if v == 0 {
		v = l.highest(name)
	}
	tag := strings.ToLower(strings.ReplaceAll(locale, "_", "-"))
	for {
		if p := l.prompts[key{name, v, tag}]; p != nil {
			return p, nil
		}
		if tag == "" {
			break
		}
		tag = tag[:max(strings.LastIndexByte(tag, '-'), 0)]
	}
	wanted := name
	if version != 0 {
		wanted = fmt.Sprintf("%s@%d", name, version)
	}
	return nil, fault.New(fault.NotFound, fault.ReasonUnknownPrompt, "looking up prompt %q: there is none; there are %s", wanted, l.names())
}

func (l *Library) names() string {
	var names []string
	for _, p := range l.sorted() {
		if p.Locale == "" {
			names = append(names, fmt.Sprintf("%s@%d", p.Name, p.Version))
		}
	}
	if names == nil {
		return "none"
	}
	return strings.Join(names, ", ")
}

// List gives all prompts: by name, then version, then locale, the default variant first.
func (l *Library) List() []*Prompt { return l.sorted() }

func (l *Library) sorted() []*Prompt {
	all := make([]*Prompt, 0, len(l.prompts))
	for _, p := range l.prompts {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b *Prompt) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version), cmp.Compare(a.Locale, b.Locale))
	})
	return all
}
