package chain

import (
	"embed"
	"fmt"
	"io/fs"
	slash "path"
	"slices"
	"strings"

	"fairlead/internal/fault"
)

//go:embed library/*.yaml
var library embed.FS

// Load reads all chains below a folder: files that end in .yaml or .yml and whose names do not begin with
// a dot. The chains come in the order of their names. The error is a *fault.Error
// (fault.InvalidArgument, fault.ReasonBadChain) that lists what is wrong in all files.
func Load(fsys fs.FS) ([]*Chain, error) {
	var chains []*Chain
	var wrong []string
	err := fs.WalkDir(fsys, ".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			wrong = append(wrong, fmt.Sprintf("%s: cannot be read", file))
			if d != nil && d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		hidden := strings.HasPrefix(slash.Base(file), ".") && file != "."
		switch ext := slash.Ext(file); {
		case d.IsDir() && hidden:
			return fs.SkipDir
		case d.IsDir() || hidden || ext != ".yaml" && ext != ".yml":
			return nil
		}
		data, err := fs.ReadFile(fsys, file)
		if err != nil {
			wrong = append(wrong, fmt.Sprintf("%s: cannot be read", file))
			return nil
		}
		c, err := Parse(file, data)
		if err != nil {
			_, lines, _ := strings.Cut(err.Error(), "\n")
			wrong = append(wrong, lines)
			return nil
		}
		if i := slices.IndexFunc(chains, func(other *Chain) bool { return other.Name == c.Name }); i >= 0 {
			wrong = append(wrong, fmt.Sprintf("%s:1:1: there is a chain %q already, in %s", file, c.Name, chains[i].File))
			return nil
		}
		chains = append(chains, c)
		return nil
	})
	if err != nil { // the walk itself gives none: all are in wrong
		return nil, fault.Wrap(err, fault.Internal, fault.ReasonInternal, "reading chains")
	}
	if wrong != nil {
		return nil, fault.New(fault.InvalidArgument, fault.ReasonBadChain, "reading chains:\n%s", strings.Join(wrong, "\n"))
	}
	slices.SortFunc(chains, func(a, b *Chain) int { return strings.Compare(a.Name, b.Name) })
	return chains, nil
}

// Builtin gives the chains that come with the program.
func Builtin() ([]*Chain, error) {
	sub, err := fs.Sub(library, "library")
	if err != nil {
		return nil, fault.Wrap(err, fault.Internal, fault.ReasonInternal, "reading the shipped chains")
	}
	return Load(sub)
}
