package tfserving_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	tensorflow "fairlead/gen/thirdparty/tensorflow"
	serving "fairlead/gen/thirdparty/tensorflow/serving"
	"fairlead/providers"
	"fairlead/providers/tensor"
	"fairlead/providers/tfserving"
)

// foreign starts the peer of package wiretest with a model whose outputs are its inputs, one of each type.
func foreign(t *testing.T, types map[string]tensorflow.DataType) string {
	t.Helper()
	infos := map[string]*tensorflow.TensorInfo{}
	for name, typ := range types {
		infos[name] = &tensorflow.TensorInfo{Name: name + ":0", Dtype: typ, TensorShape: &tensorflow.TensorShapeProto{UnknownRank: true}}
	}
	held, err := anypb.New(&serving.SignatureDefMap{SignatureDef: map[string]*tensorflow.SignatureDef{"serving_default": {Inputs: infos, Outputs: infos, MethodName: "tensorflow/serving/predict"}}})
	if err != nil {
		t.Fatal(err)
	}
	metadata, err := proto.Marshal(&serving.GetModelMetadataResponse{Metadata: map[string]*anypb.Any{"signature_def": held},
		ModelSpec: &serving.ModelSpec{Name: "echo", VersionChoice: &serving.ModelSpec_Version{Version: wrapperspb.Int64(7)}}})
	if err != nil {
		t.Fatal(err)
	}
	program := filepath.Join(t.TempDir(), "peer")
	if out, err := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", program, "fairlead/providers/tfserving/wiretest").CombinedOutput(); err != nil {
		t.Fatalf("building the peer: %v: %s", err, out)
	}
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Env = append(os.Environ(), "FAIRLEAD_TFSERVING_PEER=1", "FAIRLEAD_TFSERVING_METADATA="+base64.StdEncoding.EncodeToString(metadata))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("the peer did not start: %v", err)
	}
	return strings.TrimSpace(address)
}

// TestForeignStubs: tensors of every type go to a server that others' code makes, and come back as they were.
func TestForeignStubs(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds a program")
	}
	types := map[string]tensorflow.DataType{"bool": 10, "int8": 6, "int16": 5, "int32": 3, "int64": 9, "uint8": 4, "uint16": 17, "uint32": 22, "uint64": 23,
		"half": 19, "bfloat16": 14, "float": 1, "double": 2, "string": 7}
	ours := map[string]tensor.Type{"bool": tensor.Bool, "int8": tensor.Int8, "int16": tensor.Int16, "int32": tensor.Int32, "int64": tensor.Int64,
		"uint8": tensor.Uint8, "uint16": tensor.Uint16, "uint32": tensor.Uint32, "uint64": tensor.Uint64, "half": tensor.Float16,
		"bfloat16": tensor.BFloat16, "float": tensor.Float32, "double": tensor.Float64, "string": tensor.String}
	c := client(t, tfserving.Config{URL: "grpc://" + foreign(t, types)})
	r := rand.New(rand.NewPCG(3, 5))
	for range 50 {
		req := &providers.PredictRequest{Model: "echo"}
		for name, typ := range ours {
			x := tensor.Tensor{Name: name, Type: typ, Shape: []int64{int64(r.IntN(3)), int64(1 + r.IntN(5))}}
			n := int(x.Shape[0] * x.Shape[1])
			if typ == tensor.String {
				x.Strings = make([][]byte, n)
				for i := range x.Strings {
					x.Strings[i] = bytes.Repeat([]byte{byte(r.Uint32())}, r.IntN(40))
				}
			} else {
				x.Data = make([]byte, n*typ.Size())
				for i := range x.Data {
					if x.Data[i] = byte(r.Uint32()); typ == tensor.Bool {
						x.Data[i] &= 1
					}
				}
			}
			req.Inputs = append(req.Inputs, x)
		}
		out, err := c.Predict(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		if out.Version != "7" || out.Model != "echo" {
			t.Errorf("answered by %s %s", out.Model, out.Version)
		}
		for i := range req.Inputs {
			if diff := cmp.Diff(&req.Inputs[i], out.Output(req.Inputs[i].Name)); diff != "" {
				t.Fatal(diff)
			}
		}
	}
}
