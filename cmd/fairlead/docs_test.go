package main

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"io/fs"
	"net"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"fairlead/internal/config"
	"fairlead/internal/testdb"
	"fairlead/orchestrator/chain"
)

// repository is the project's root, seen from this folder.
const repository = "../.."

// block is a fenced block of a page, with the page and the line that it begins in.
type block struct {
	page, text string
	line       int
}

// blocks gives the blocks of a page that are in a language.
func blocks(t *testing.T, page, language string) (found []block) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, page))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile("(?ms)^```"+language+"\n(.*?)^```$").FindAllStringSubmatchIndex(string(text), -1) {
		found = append(found, block{page: page, text: string(text[m[2]:m[3]]), line: 1 + bytes.Count(text[:m[2]], []byte("\n"))})
	}
	return found
}

// pages gives every page of the repository.
func pages(t *testing.T) (all []string) {
	t.Helper()
	err := filepath.WalkDir(repository, func(path string, e fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case e.IsDir() && path != repository && path != filepath.Join(repository, ".github") && (strings.HasPrefix(e.Name(), ".") || e.Name() == "node_modules" || e.Name() == "testdata"):
			return fs.SkipDir
		case filepath.Ext(path) == ".md":
			page, err := filepath.Rel(repository, path)
			all = append(all, filepath.ToSlash(page))
			return err
		}
		return nil
	})
	if err != nil || len(all) < 10 {
		t.Fatalf("%v, %v", all, err)
	}
	return all
}

// What a reader is told to type works, in the order of the page.
func TestPagesCanBeFollowed(t *testing.T) {
	for _, tool := range []string{"bash", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") == "true" {
				t.Fatalf("%s is not there", tool)
			}
			t.Skipf("%s is not there", tool)
		}
	}
	for _, page := range []string{"README.md", "docs/quickstart.md", "docs/guides/access.md", "docs/guides/ingestion.md", "docs/guides/evals.md"} {
		t.Run(page, func(t *testing.T) { follow(t, page) })
	}
	t.Run("docs/guides/postgres.md", func(t *testing.T) {
		d := testdb.EmptyPostgres(t)
		// What the page tells its reader to set, for a database of this test.
		follow(t, "docs/guides/postgres.md", "FAIRLEAD_DATABASE_URL="+d.AppURL, "FAIRLEAD_DATABASE_OWNER_URL="+d.OwnerURL,
			"FAIRLEAD_AUTH_PEPPER="+strings.Repeat("pepper", 8), "FAIRLEAD_AUTH_KEYS=true")
	})
}

// follow does what a page tells its reader to type, in an environment with more variables.
func follow(t *testing.T, page string, more ...string) {
	found := blocks(t, page, "sh")
	if len(found) == 0 {
		t.Fatal("the page has nothing to type")
	}
	r := newReader(t)
	r.environ = append(r.environ, more...)
	for _, b := range found {
		// A command may go on in the next line, behind a backslash.
		for text := range strings.SplitSeq(strings.ReplaceAll(b.text, "\\\n", "\\\x00"), "\n") {
			text = strings.TrimSpace(strings.ReplaceAll(text, "\\\x00", "\\\n"))
			switch {
			case text == "" || strings.HasPrefix(text, "#"):
			case strings.HasPrefix(text, "make "):
				r.hasTarget(t, strings.Fields(text)[1])
			case strings.HasPrefix(text, "fairlead serve"):
				r.serve(t, text)
			default:
				r.enter(t, b, strings.Replace(text, "go run ./cmd/fairlead", "fairlead", 1))
			}
		}
	}
}

// reader follows a page in a folder with a copy of the documentation, as after a clone.
type reader struct {
	folder, port string
	environ      []string
}

func newReader(t *testing.T) *reader {
	t.Helper()
	r := &reader{folder: t.TempDir()}
	if err := os.CopyFS(filepath.Join(r.folder, "docs"), os.DirFS(filepath.Join(repository, "docs"))); err != nil {
		t.Fatal(err)
	}
	if err := os.CopyFS(filepath.Join(r.folder, "evals", "suites"), os.DirFS(filepath.Join(repository, "evals", "suites"))); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	bin := t.TempDir()
	if err := os.Symlink(self, filepath.Join(bin, "fairlead")); err != nil {
		t.Fatal(err)
	}
	// The port is free now; nobody else takes such a one in the meantime but by great misfortune.
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, r.port, _ = net.SplitHostPort(ln.Addr().String())
	ln.Close()
	r.environ = environ(asProgram+"=1", "PATH="+bin+":"+os.Getenv("PATH"), "HOME="+r.folder, "TMPDIR="+t.TempDir(),
		"FAIRLEAD_SERVER_LISTEN=127.0.0.1:"+r.port, "NO_PROXY=127.0.0.1", "GOCOVERDIR="+t.TempDir())
	return r
}

// hasTarget checks that make knows a target; continuous integration runs what it makes.
func (r *reader) hasTarget(t *testing.T, target string) {
	t.Helper()
	makefile, err := os.ReadFile(filepath.Join(repository, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	if !regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(target) + `:.*## `).Match(makefile) {
		t.Errorf("make has no target %s", target)
	}
	if target != "check" {
		return
	}
	ci, err := os.ReadFile(filepath.Join(repository, ".ci", "run"))
	if err != nil || !bytes.Contains(ci, []byte("make check")) {
		t.Errorf("continuous integration does not run make check: %v", err)
	}
}

// command makes a command line that bash runs, failing where any part of it fails.
func (r *reader) command(ctx context.Context, text string) *exec.Cmd {
	c := exec.CommandContext(ctx, "bash", "-eo", "pipefail", "-c", strings.ReplaceAll(text, "127.0.0.1:8080", "127.0.0.1:"+r.port))
	c.Dir, c.Env = r.folder, r.environ
	return c
}

// serve starts the server, which runs until the end of the page, and then drains.
func (r *reader) serve(t *testing.T, text string) {
	t.Helper()
	log := newTranscript()
	c := r.command(context.Background(), "exec "+text)
	c.Stdout, c.Stderr = log, log
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = c.Process.Signal(os.Interrupt)
		if err := c.Wait(); err != nil {
			t.Errorf("%s: %v\n%s", text, err, log)
		}
	})
	log.await(t, "msg=serving")
}

// enter runs a command as a reader would.
func (r *reader) enter(t *testing.T, b block, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var out, errOut bytes.Buffer
	c := r.command(ctx, text)
	c.Stdout, c.Stderr = &out, &errOut
	if err := c.Run(); err != nil {
		t.Errorf("%s:%d: %s: %v\n%s%s", b.page, b.line, text, err, &out, &errOut)
		return
	}
	if out.Len() == 0 {
		t.Errorf("%s:%d: %s says nothing", b.page, b.line, text)
	}
	if strings.HasPrefix(text, "curl") {
		var answer map[string]any
		if err := json.Unmarshal(out.Bytes(), &answer); err != nil || answer["error"] != nil || answer["code"] != nil {
			t.Errorf("%s:%d: %s answers (%v)\n%s", b.page, b.line, text, err, &out)
		}
	}
}

// What README shows of the demo is what the demo says, but for times and the widths of columns.
func TestShownAnswersAreTheDemos(t *testing.T) {
	shown := blocks(t, "README.md", "text")
	if len(shown) == 0 {
		t.Fatal("README.md shows nothing of the demo")
	}
	said := steady(succeed(t, "demo"))
	for line := range strings.Lines(shown[0].text) {
		if line := strings.TrimSpace(steady(line)); line != "" && !strings.Contains(said, line) {
			t.Errorf("the demo does not say %q", line)
		}
	}
}

func TestLinksResolve(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	fence := regexp.MustCompile("(?ms)^```.*?^```$")
	for _, page := range pages(t) {
		text, err := os.ReadFile(filepath.Join(repository, page))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(fence.ReplaceAllString(string(text), ""), -1) {
			u, err := url.Parse(m[1])
			if err != nil {
				t.Errorf("%s: %v", page, err)
				continue
			}
			if u.Scheme != "" {
				continue
			}
			file := page
			if u.Path != "" {
				file = filepath.Join(filepath.Dir(page), u.Path)
			}
			target, err := os.ReadFile(filepath.Join(repository, file))
			if info, statErr := os.Stat(filepath.Join(repository, file)); statErr != nil || err != nil && !info.IsDir() {
				t.Errorf("%s: %s is not there", page, m[1])
				continue
			}
			if u.Fragment != "" && !anchors(string(target))[u.Fragment] {
				t.Errorf("%s: %s has no such heading", page, m[1])
			}
		}
	}
}

// anchors gives the names that a page's headings have in links.
func anchors(text string) map[string]bool {
	names := map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^#+ +(.+)$`).FindAllStringSubmatch(text, -1) {
		name := regexp.MustCompile(`[^\p{L}\p{N} _-]`).ReplaceAllString(strings.ToLower(m[1]), "")
		names[strings.ReplaceAll(name, " ", "-")] = true
	}
	return names
}

// beside puts the files that pages name into a folder.
func beside(t *testing.T, folder string) {
	t.Helper()
	tokenizer, err := os.ReadFile(filepath.Join(repository, "providers/pipeline/wordpiece/testdata/uncased.json"))
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(folder, "tokenizer.json"), string(tokenizer))
	write(t, filepath.Join(folder, "labels.txt"), "cat\ndog\n")
	server := httptest.NewUnstartedServer(nil)
	server.StartTLS()
	defer server.Close()
	write(t, filepath.Join(folder, "certs/internal-ca.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})))
}

// A block of YAML is a chain or a configuration, and it is read as one.
func TestExamplesAreRead(t *testing.T) {
	read := 0
	for _, page := range pages(t) {
		for _, b := range blocks(t, page, "yaml") {
			name := filepath.Base(page)
			switch {
			case strings.HasPrefix(b.text, "chain:"):
				if _, err := chain.Parse(name, []byte(b.text)); err != nil {
					t.Errorf("%s:%d: %v", page, b.line, err)
				}
			case strings.HasPrefix(b.text, "suite:"):
				readsSuite(t, b)
			case strings.HasPrefix(b.text, "name:"):
				if workflow, err := os.ReadFile(filepath.Join(repository, ".github", "workflows", "evals.yaml")); err != nil || string(workflow) != b.text {
					t.Errorf("%s:%d: %v: it is another workflow than .github/workflows/evals.yaml", page, b.line, err)
				}
			case regexp.MustCompile(`(?m)^(backends|targets|policies|server|auth|chat|retrieval|record|router|telemetry|database|chains|prompts|log|discover):`).MatchString(b.text):
				file := write(t, filepath.Join(t.TempDir(), name), b.text)
				beside(t, filepath.Dir(file))
				if _, _, err := config.Load(config.Options{Path: file, Environ: environ("OPENAI_API_KEY=key")}); err != nil {
					t.Errorf("%s:%d: %v", page, b.line, err)
				}
				// The program takes it as well: adapters, conditions, targets of policies.
				if e := commandIn(t, t.Context(), environ("OPENAI_API_KEY=key"), "", "config", "check", file); e.status != 0 {
					t.Errorf("%s:%d: %s", page, b.line, e.err)
				}
			case page == "docs/chains.md" && strings.HasPrefix(b.text, "input:"): // a part of a chain
				whole := "chain: part\nversion: 1\n" + b.text + "steps:\n  - id: s\n    generate: { user: \"{{question}}\" }\noutput: \"{{steps.s.text}}\"\n"
				if _, err := chain.Parse(name, []byte(whole)); err != nil {
					t.Errorf("%s:%d: %v", page, b.line, err)
				}
			default:
				t.Errorf("%s:%d: what is this block? Nothing reads it", page, b.line)
			}
			read++
		}
	}
	if read < 8 {
		t.Errorf("only %d blocks were found", read)
	}
}
