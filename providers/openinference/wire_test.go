package openinference

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead/providers"
	"fairlead/providers/openinference/wiretest"
	"fairlead/providers/tensor"
)

// TestOurMessages: the messages that we generate are those of the captures, and so those that others generate.
func TestOurMessages(t *testing.T) { wiretest.Check(t, "testdata/wire") }

// TestForeignServer: a server that others generated understands us, and we it.
func TestForeignServer(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds a program")
	}
	program := filepath.Join(t.TempDir(), "peer")
	if out, err := exec.Command("go", "test", "-c", "-o", program, "./wiretest").CombinedOutput(); err != nil {
		t.Fatalf("building the server: %v\n%s", err, out)
	}
	peer := exec.Command(program)
	peer.Env, peer.Stderr = append(os.Environ(), "FAIRLEAD_WIRETEST_SERVE=1"), os.Stderr
	in, err := peer.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := peer.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := peer.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		in.Close()
		if err := peer.Wait(); err != nil {
			t.Error(err)
		}
	}()
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, Config{URL: "grpc://" + strings.TrimSpace(address)})
	ctx := t.Context()
	for _, err := range []error{c.Live(ctx), c.ServerReady(ctx), c.Ready(ctx, "m", "3")} {
		if err != nil {
			t.Error(err)
		}
	}
	want(t, c.Ready(ctx, "cold", ""), providers.KindUnavailable)
	versions, err := c.Versions(ctx, "m") // it has no index
	if d := cmp.Diff([]providers.ModelVersion{{Model: "m", Version: "3", State: "ready"}}, versions); d != "" || err != nil {
		t.Errorf("%s, %v", d, err)
	}
	want(t, c.Warm(ctx, "cold", ""), providers.KindUnsupported)
	_, err = c.Predict(ctx, &providers.PredictRequest{Model: "nobody"})
	want(t, err, providers.KindNotFound)
	empty := cmp.Transformer("empty", func(b []byte) string { return string(b) })
	p, err := c.Predict(ctx, &providers.PredictRequest{Model: "echo", Version: "3", Inputs: everyType(true)})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(everyType(true), p.Outputs, empty); d != "" || p.Version != "3" {
		t.Errorf("%s of version %s", d, p.Version)
	}
	x := tensor.Tensor{Name: "x", Type: tensor.Int8, Shape: []int64{2, 2}, Data: []byte{0, 127, 128, 255}}
	p, err = c.Predict(ctx, &providers.PredictRequest{Model: "typed", Inputs: []tensor.Tensor{x}})
	if err != nil || cmp.Diff([]tensor.Tensor{x}, p.Outputs) != "" {
		t.Errorf("%v, %v", p, err)
	}
	x.Shape = []int64{4}
	_, err = c.Predict(ctx, &providers.PredictRequest{Model: "typed", Inputs: []tensor.Tensor{x}})
	want(t, err, providers.KindInvalid)
}
