package openinference

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"fairlead/gen/thirdparty/inference"
	"fairlead/providers"
	"fairlead/providers/tensor"
)

// output makes an InferOutputTensor by hand.
func output(name, datatype string, contents []byte, shape ...int64) []byte {
	b := protowire.AppendTag(nil, fieldName, protowire.BytesType)
	b = protowire.AppendString(b, name)
	b = protowire.AppendTag(b, fieldDatatype, protowire.BytesType)
	b = protowire.AppendString(b, datatype)
	for _, d := range shape {
		b = protowire.AppendTag(b, fieldShape, protowire.VarintType)
		b = protowire.AppendVarint(b, uint64(d))
	}
	if contents != nil {
		b = piece(b, fieldContents, contents)
	}
	return b
}

func piece(b []byte, field protowire.Number, data []byte) []byte {
	return protowire.AppendBytes(protowire.AppendTag(b, field, protowire.BytesType), data)
}

// response makes a ModelInferResponse of outputs and raw contents.
func response(outputs [][]byte, raws ...[]byte) []byte {
	var b []byte
	for _, o := range outputs {
		b = piece(b, fieldOutputs, o)
	}
	for _, r := range raws {
		b = piece(b, fieldRawOutputs, r)
	}
	return b
}

func numbers(field protowire.Number, values ...uint64) []byte {
	var packed []byte
	for _, v := range values {
		packed = protowire.AppendVarint(packed, v)
	}
	return piece(nil, field, packed)
}

func kindOf(err error) providers.Kind {
	if m, ok := err.(*malformed); ok {
		return m.kind
	}
	return providers.KindOf(err)
}

func TestMessagesThatAreRefused(t *testing.T) {
	one := func(o []byte) []byte { return response([][]byte{o}) }
	minus := int64(-1)
	for name, c := range map[string]struct {
		message []byte
		kind    providers.Kind
	}{
		"garbage":                         {[]byte{0xff, 0xff, 0xff}, providers.KindProtocol},
		"cut":                             {response([][]byte{output("a", "FP32", nil, 1)}, make([]byte, 4))[:20], providers.KindProtocol},
		"a group":                         {[]byte{0x2b, 0x2c}, providers.KindProtocol},
		"outputs as numbers":              {[]byte{fieldOutputs << 3, 1}, providers.KindProtocol},
		"a type that is none":             {one(output("a", "FP31", nil, 1)), providers.KindProtocol},
		"no name":                         {one(output("", "FP32", nil, 0)), providers.KindProtocol},
		"a name that is no text":          {one(output("\xff", "FP32", nil, 0)), providers.KindProtocol},
		"a long name":                     {one(output(strings.Repeat("a", 257), "FP32", nil, 0)), providers.KindOverrun},
		"no contents":                     {one(output("a", "FP32", nil, 1)), providers.KindProtocol},
		"fewer raws than outputs":         {response([][]byte{output("a", "FP32", nil, 0), output("b", "FP32", nil, 0)}, nil), providers.KindProtocol},
		"more raws than outputs":          {response([][]byte{output("a", "FP32", nil, 1)}, make([]byte, 4), make([]byte, 4)), providers.KindProtocol},
		"raws and contents":               {response([][]byte{output("a", "INT64", numbers(fieldInt64, 1), 1)}, make([]byte, 8)), providers.KindProtocol},
		"too few raw bytes":               {response([][]byte{output("a", "FP32", nil, 2)}, make([]byte, 7)), providers.KindProtocol},
		"too many raw bytes":              {response([][]byte{output("a", "FP32", nil, 2)}, make([]byte, 9)), providers.KindProtocol},
		"a negative dimension":            {response([][]byte{output("a", "FP32", nil, minus)}, make([]byte, 4)), providers.KindOverrun},
		"nine dimensions":                 {one(output("a", "FP32", nil, 1, 1, 1, 1, 1, 1, 1, 1, 1)), providers.KindOverrun},
		"contents of another type":        {one(output("a", "INT32", numbers(fieldInt64, 1), 1)), providers.KindProtocol},
		"contents of two types":           {one(output("a", "INT32", slices.Concat(numbers(fieldInt, 1), numbers(fieldInt64, 1)), 1)), providers.KindProtocol},
		"contents twice":                  {one(append(output("a", "INT32", numbers(fieldInt, 1), 1), piece(nil, fieldContents, numbers(fieldInt, 1))...)), providers.KindProtocol},
		"fewer elements":                  {one(output("a", "INT32", numbers(fieldInt, 1, 2), 3)), providers.KindProtocol},
		"more elements":                   {one(output("a", "INT32", numbers(fieldInt, 1, 2), 1)), providers.KindProtocol},
		"an INT8 of 128":                  {one(output("a", "INT8", numbers(fieldInt, 128), 1)), providers.KindProtocol},
		"a UINT16 of 65536":               {one(output("a", "UINT16", numbers(fieldUint, 65536), 1)), providers.KindProtocol},
		"FP16 in contents":                {one(output("a", "FP16", numbers(fieldUint, 1), 1)), providers.KindProtocol},
		"floats that are cut":             {one(output("a", "FP32", piece(nil, fieldFP32, make([]byte, 5)), 1)), providers.KindProtocol},
		"a number that is cut":            {one(output("a", "INT64", piece(nil, fieldInt64, []byte{0x80}), 0)), providers.KindProtocol},
		"a number that never ends":        {one(output("a", "INT64", piece(nil, fieldInt64, append(slices.Repeat([]byte{0x80}, 12), 1)), 1)), providers.KindProtocol},
		"a BOOL of 2":                     {response([][]byte{output("a", "BOOL", nil, 1)}, []byte{2}), providers.KindProtocol},
		"texts that are cut":              {response([][]byte{output("a", "BYTES", nil, 1)}, []byte{2, 0, 0, 0, 'x'}), providers.KindProtocol},
		"a text beyond all":               {response([][]byte{output("a", "BYTES", nil, 1)}, []byte{255, 255, 255, 255}), providers.KindProtocol},
		"one text too many":               {response([][]byte{output("a", "BYTES", nil, 1)}, make([]byte, 8)), providers.KindProtocol},
		"a long text among contents":      {one(output("a", "BYTES", piece(nil, fieldBytes, make([]byte, 1<<20+1)), 1)), providers.KindOverrun},
		"raws beyond the limit in total":  {response([][]byte{output("a", "UINT8", nil, 40<<20), output("b", "UINT8", nil, 40<<20)}, make([]byte, 40<<20), make([]byte, 40<<20)), providers.KindOverrun},
		"65 outputs":                      {response(slices.Repeat([][]byte{output("a", "FP32", nil, 0)}, 65)), providers.KindOverrun},
		"ten million texts without bytes": {response([][]byte{output("a", "BYTES", nil, 1e7)}, make([]byte, 4e7)), providers.KindOverrun},
	} {
		_, err := readInfer(c.message, tensor.Limits{})
		if err == nil || kindOf(err) != c.kind {
			t.Errorf("%s: kind %d: %v", name, kindOf(err), err)
		}
	}
}

// TestBombsAreRefusedBeforeMemoryIsTaken, and before a millisecond is over.
func TestBombsAreRefusedBeforeMemoryIsTaken(t *testing.T) {
	header := func(o string) []byte { return []byte(`{"outputs":[` + o + `]}`) }
	rest := func(body []byte) func() error {
		return func() error { _, err := readREST(body, -1, tensor.Limits{}); return err }
	}
	message := func(m []byte) func() error {
		return func() error { _, err := readInfer(m, tensor.Limits{}); return err }
	}
	for name, read := range map[string]func() error{
		"gRPC, dimensions": message(response([][]byte{output("a", "FP32", nil, 1<<31, 1<<31)}, make([]byte, 16))),
		"gRPC, overflow":   message(response([][]byte{output("a", "FP32", nil, 1<<32, 1<<32, 2)}, make([]byte, 16))),
		"gRPC, contents":   message(response([][]byte{output("a", "INT64", numbers(fieldInt64, 1), 8<<20)})),
		"gRPC, texts":      message(response([][]byte{output("a", "BYTES", nil, 1e7)}, make([]byte, 1000))),
		"gRPC, outputs":    message(slices.Repeat([]byte{fieldOutputs<<3 | 2, 0}, 2000)),
		"REST, dimensions": rest(header(`{"name":"a","datatype":"FP32","shape":[2147483648,2147483648],"data":[1]}`)),
		"REST, elements":   rest(header(`{"name":"a","datatype":"FP64","shape":[8000000],"data":[1]}`)),
		"REST, texts":      rest(header(`{"name":"a","datatype":"BYTES","shape":[1000000],"data":["a"]}`)),
		"REST, outputs":    rest(header(strings.Repeat(`{"name":"a","datatype":"FP32","shape":[0],"data":[]},`, 100) + `{}`)),
		"REST, depth":      rest([]byte(`{"x":` + strings.Repeat("[", 100000))),
	} {
		start := time.Now()
		if read() == nil {
			t.Errorf("%s: it was read", name)
		}
		if d := time.Since(start); d > 50*time.Millisecond { // a millisecond, were it alone on the machine
			t.Errorf("%s: %v", name, d)
		}
		best := time.Hour
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range 20 {
			start := time.Now()
			_ = read()
			best = min(best, time.Since(start))
		}
		runtime.ReadMemStats(&after)
		if each := (after.TotalAlloc - before.TotalAlloc) / 20; each > 32<<10 {
			t.Errorf("%s: %d bytes", name, each)
		}
		if best > time.Millisecond {
			t.Errorf("%s: %v at best", name, best)
		}
	}
}

func TestAnswersOfRESTThatAreRefused(t *testing.T) {
	answer := func(fields string) string { return `{"outputs":[{"name":"a",` + fields + `}]}` }
	for name, body := range map[string]string{
		"nothing":           "",
		"no JSON":           "<html>",
		"a list":            "[]",
		"no outputs":        "{}",
		"outputs twice":     `{"outputs":[],"outputs":[]}`,
		"something follows": `{"outputs":[]} x`,
		"NaN":               answer(`"datatype":"FP32","shape":[1],"data":[NaN]`),
		"null":              answer(`"datatype":"FP32","shape":[1],"data":[null]`),
		"beyond FP32":       answer(`"datatype":"FP32","shape":[1],"data":[1e39]`),
		"beyond FP64":       answer(`"datatype":"FP64","shape":[1],"data":[1e309]`),
		"beyond INT8":       answer(`"datatype":"INT8","shape":[1],"data":[128]`),
		"below UINT8":       answer(`"datatype":"UINT8","shape":[1],"data":[-1]`),
		"beyond UINT64":     answer(`"datatype":"UINT64","shape":[1],"data":[18446744073709551616]`),
		"INT64 with a part": answer(`"datatype":"INT64","shape":[1],"data":[1.5]`),
		"a text as number":  answer(`"datatype":"INT64","shape":[1],"data":["1"]`),
		"a number as text":  answer(`"datatype":"BYTES","shape":[1],"data":[1]`),
		"FP16":              answer(`"datatype":"FP16","shape":[1],"data":[1]`),
		"a word as BOOL":    answer(`"datatype":"BOOL","shape":[1],"data":["true"]`),
		"ragged":            answer(`"datatype":"INT8","shape":[2,2],"data":[[1,2],[3]]`),
		"another nesting":   answer(`"datatype":"INT8","shape":[2,2],"data":[[[1,2],[3,4]]]`),
		"fewer":             answer(`"datatype":"INT8","shape":[3],"data":[1,2]`),
		"more":              answer(`"datatype":"INT8","shape":[1],"data":[1,2]`),
		"data twice":        answer(`"datatype":"INT8","shape":[1],"data":[1],"data":[2]`),
		"shape twice":       answer(`"datatype":"INT8","shape":[1],"shape":[1],"data":[2]`),
		"no shape":          answer(`"datatype":"INT8","data":[2]`),
		"a shape of texts":  answer(`"datatype":"INT8","shape":["1"],"data":[2]`),
		"no data":           answer(`"datatype":"INT8","shape":[0]`),
		"binary alone":      answer(`"datatype":"INT8","shape":[1],"parameters":{"binary_data_size":1}`),
		"a negative size":   answer(`"datatype":"INT8","shape":[1],"parameters":{"binary_data_size":-1}`),
		"both":              answer(`"datatype":"INT8","shape":[1],"data":[1],"parameters":{"binary_data_size":0}`),
		"UTF-8":             answer("\"datatype\":\"BYTES\",\"shape\":[1],\"data\":[\"\xff\"]"),
		"an escape":         answer(`"datatype":"BYTES","shape":[1],"data":["\x"]`),
		"half a pair":       `{"model_name":"\ud800","outputs":[]}`,
		"cut":               answer(`"datatype":"INT8","shape":[1],"data":[1`)[:50],
	} {
		p, err := readREST([]byte(body), -1, tensor.Limits{})
		if err == nil || kindOf(err) != providers.KindProtocol {
			t.Errorf("%s: %v, %v", name, p, err)
		}
	}
	binaryAnswer := []byte(answer(`"datatype":"UINT16","shape":[2],"parameters":{"binary_data_size":4}`) + "\x01\x00\x02\x00")
	header := int64(len(binaryAnswer) - 4)
	if p, err := readREST(binaryAnswer, header, tensor.Limits{}); err != nil || string(p.Outputs[0].Data) != "\x01\x00\x02\x00" {
		t.Errorf("%v, %v", p, err)
	}
	for name, c := range map[string]struct {
		body   []byte
		header int64
	}{
		"a header beyond the body": {binaryAnswer, header + 5}, "a header that is short": {binaryAnswer, header - 1}, "a header that is long": {binaryAnswer, header + 1},
		"a header of nothing": {binaryAnswer, 0}, "a tail that is cut": {binaryAnswer[:header+3], header}, "a tail that is long": {append(slices.Clone(binaryAnswer), 0), header},
		"no header": {binaryAnswer, -1},
	} {
		if p, err := readREST(c.body, c.header, tensor.Limits{}); err == nil || kindOf(err) != providers.KindProtocol {
			t.Errorf("%s: %v, %v", name, p, err)
		}
	}
}

// samples are answers that are right, for mutation.
func samples() (messages, bodies [][]byte, headers []int64) {
	echo := everyType(true)
	raw, typed := &inference.ModelInferResponse{ModelName: "m", ModelVersion: "1"}, &inference.ModelInferResponse{ModelName: "m"}
	binaryHeader, tail, plain := `{"model_name":"m","outputs":[`, []byte(nil), `{"outputs":[`
	for i, t := range echo {
		o := &inference.ModelInferResponse_InferOutputTensor{Name: t.Name, Datatype: t.Type.String(), Shape: t.Shape}
		raw.Outputs, raw.RawOutputContents = append(raw.Outputs, o), append(raw.RawOutputContents, rawBytes(t))
		comma := map[bool]string{true: ","}[i > 0]
		head := fmt.Sprintf(`{"name":%q,"shape":%s,"datatype":%q,`, t.Name, strings.ReplaceAll(fmt.Sprint(t.Shape), " ", ","), t.Type)
		binaryHeader += comma + head + fmt.Sprintf(`"parameters":{"binary_data_size":%d}}`, len(rawBytes(t)))
		tail = append(tail, rawBytes(t)...)
		if t.Type != tensor.Float16 && t.Type != tensor.BFloat16 {
			o = proto.CloneOf(o)
			o.Contents = typedContents(t)
			typed.Outputs = append(typed.Outputs, o)
			plain += comma + head + `"data":` + string(elementsJSON(t, i%2 == 0)) + "}"
		}
	}
	for _, m := range []*inference.ModelInferResponse{raw, typed} {
		b, _ := proto.Marshal(m)
		messages = append(messages, b)
	}
	small := append(binary.LittleEndian.AppendUint32(nil, math.Float32bits(1)), 0, 0, 0, 0)
	messages = append(messages, response([][]byte{output("a", "FP32", nil, 2)}, small), response([][]byte{output("s", "BYTES", nil, 2)}, []byte{1, 0, 0, 0, 'x', 0, 0, 0, 0}))
	binaryHeader += "]}"
	bodies = [][]byte{append([]byte(binaryHeader), tail...), []byte(plain + "]}"), []byte(`{"outputs":[{"name":"a","shape":[2],"datatype":"FP32","data":[1,2.5]}]}`)}
	return messages, bodies, []int64{int64(len(binaryHeader)), -1, -1}
}

// TestTheSamplesAreRight: what is mutated is read before it is.
func TestTheSamplesAreRight(t *testing.T) {
	messages, bodies, headers := samples()
	for i, m := range messages {
		if _, err := readInfer(m, tensor.Limits{}); err != nil {
			t.Errorf("message %d: %v", i, err)
		}
	}
	for i, b := range bodies {
		if _, err := readREST(b, headers[i], tensor.Limits{}); err != nil {
			t.Errorf("body %d: %v", i, err)
		}
	}
}

// mutations is how many inputs each decoder gets.
const mutations = 1_000_000

// mutate changes some bytes of b, cuts it, or doubles a piece of it.
func mutate(r *rand.Rand, b []byte) []byte {
	for range 1 + r.IntN(3) {
		if len(b) == 0 {
			return b
		}
		at := r.IntN(len(b))
		switch r.IntN(8) {
		case 0:
			b = b[:at]
		case 1:
			b = append(b, b[at:min(len(b), at+r.IntN(16))]...)
		case 2:
			b[at] = "0123456789[]{},:\"\\-.eEtn"[r.IntN(24)]
		case 3:
			b[at] = 0xff
		default:
			b[at] ^= 1 << r.IntN(8)
		}
	}
	return b
}

// forms are the decoders, with answers to mutate: small ones, a million times, and large ones of every type, less often.
func forms(limits tensor.Limits) map[string]*mutated {
	messages, bodies, headers := samples()
	message := func(_ int, b []byte) (*providers.Prediction, error) { return readInfer(b, limits) }
	plain := func(_ int, b []byte) (*providers.Prediction, error) { return readREST(b, -1, limits) }
	small := []byte(`{"outputs":[{"name":"a","shape":[2],"datatype":"INT16","parameters":{"binary_data_size":4}}]}` + "\x01\x02\x03\x04")
	texts := []byte(`{"outputs":[{"name":"a","shape":[2],"datatype":"BYTES","parameters":{"binary_data_size":9}}]}` + "\x01\x00\x00\x00x\x00\x00\x00\x00")
	return map[string]*mutated{
		"grpc":             {seeds: messages[2:], read: message},
		"grpc, every type": {seeds: messages[:2], read: message, fewer: 50},
		"rest json":        {seeds: bodies[2:], read: plain},
		"rest, every type": {seeds: bodies[1:2], read: plain, fewer: 50},
		"rest binary": {seeds: [][]byte{small, texts}, read: func(seed int, b []byte) (*providers.Prediction, error) {
			return readREST(b, min(int64(len([][]byte{small, texts}[seed])-[]int{4, 9}[seed]), int64(len(b))), limits)
		}},
		"rest binary, every type": {seeds: bodies[:1], fewer: 50, read: func(_ int, b []byte) (*providers.Prediction, error) {
			return readREST(b, min(headers[0], int64(len(b))), limits)
		}},
	}
}

type mutated struct {
	seeds [][]byte
	read  func(seed int, b []byte) (*providers.Prediction, error)
	fewer int
}

// run reads n mutations, and gives how many bytes they had and how many were read.
func (m *mutated) run(t *testing.T, n int, limits tensor.Limits) (wire, read int) {
	r := rand.New(rand.NewPCG(1, 2))
	buffer := make([]byte, 0, 64<<10)
	for i := range n {
		seed := i % len(m.seeds)
		b := mutate(r, append(buffer[:0], m.seeds[seed]...))
		wire += len(b)
		p, err := m.read(seed, b)
		if err != nil {
			if kindOf(err) != providers.KindProtocol && kindOf(err) != providers.KindOverrun {
				t.Fatalf("%q: %v", b, err)
			}
			continue
		}
		read++
		for j := range p.Outputs {
			if err := p.Outputs[j].Check(limits); err != nil {
				t.Fatalf("%q: %v", b, err)
			}
		}
	}
	return wire, read
}

// TestAMillionMutations of each form: no panic, and what is read is whole.
func TestAMillionMutations(t *testing.T) {
	t.Parallel()
	limits := tensor.Limits{Bytes: 1 << 20, Texts: 1 << 12}
	for name, form := range forms(limits) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := mutations / max(form.fewer, 1)
			if testing.Short() || raceEnabled {
				n /= 50
			}
			if _, read := form.run(t, n, limits); read == 0 || read == n {
				t.Errorf("%d of %d were read", read, n)
			}
		})
	}
}

// allocated gives the bytes that f takes.
func allocated(f func()) int {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return int(after.TotalAlloc - before.TotalAlloc)
}

// TestMemoryForMutations: all that is taken for all of them, freed or not, is no more than twice what was on the wire and, for
// each answer, a KiB: an error's text, a prediction, the lists of its outputs.
func TestMemoryForMutations(t *testing.T) {
	limits := tensor.Limits{Bytes: 1 << 20, Texts: 1 << 12}
	const n, page = 5000, 1 << 10
	for name, form := range forms(limits) {
		wire := 0
		got := allocated(func() { wire, _ = form.run(t, n, limits) })
		t.Logf("%s: %d bytes for %d on the wire, in %d answers", name, got, wire, n)
		if got > 2*wire+n*page {
			t.Errorf("%s: %d bytes for %d on the wire", name, got, wire)
		}
	}
}

// TestMemoryForLargeAnswers: twice the wire at most, but where an element is shorter on the wire than in memory.
func TestMemoryForLargeAnswers(t *testing.T) {
	const n = 100_000
	floats := make([]byte, 4*n)
	for i := range n {
		binary.LittleEndian.PutUint32(floats[4*i:], math.Float32bits(float32(i)/7))
	}
	big := tensor.Tensor{Name: "a", Type: tensor.Float32, Shape: []int64{n}, Data: floats}
	words := texts("a", []int64{n / 10}, slices.Repeat([]string{strings.Repeat("word ", 10)}, n/10)...)
	typed := func(one tensor.Tensor) []byte {
		c, _ := proto.Marshal(typedContents(one))
		return response([][]byte{output("a", one.Type.String(), c, one.Shape...)})
	}
	zeros := tensor.Tensor{Name: "a", Type: tensor.Int64, Shape: []int64{n}, Data: make([]byte, 8*n)}
	plain := func(one tensor.Tensor) []byte {
		return fmt.Appendf(nil, `{"outputs":[{"name":"a","datatype":"%s","shape":[%d],"data":%s}]}`, one.Type, one.Shape[0], elementsJSON(one, false))
	}
	for name, c := range map[string]struct {
		body  []byte
		rest  bool
		times float64
	}{
		"raw":           {response([][]byte{output("a", "FP32", nil, n)}, floats), false, 0},
		"raw texts":     {response([][]byte{output("a", "BYTES", nil, n/10)}, rawBytes(words)), false, 1},
		"typed floats":  {typed(big), false, 0},
		"typed texts":   {typed(words), false, 1},
		"typed zeros":   {typed(zeros), false, 8}, // a byte on the wire, eight in memory
		"JSON floats":   {plain(big), true, 1},
		"JSON texts":    {plain(words), true, 1},
		"JSON zeros":    {plain(zeros), true, 4},
		"typed refused": {append(typed(zeros), 0xff), false, 0},
		"raw refused":   {response([][]byte{output("a", "BYTES", nil, n/10+1)}, rawBytes(words)), false, 1},
	} {
		got := allocated(func() {
			if c.rest {
				_, _ = readREST(c.body, -1, tensor.Limits{})
			} else {
				_, _ = readInfer(c.body, tensor.Limits{})
			}
		})
		t.Logf("%s: %d bytes for %d on the wire", name, got, len(c.body))
		if float64(got) > c.times*float64(len(c.body))+16<<10 {
			t.Errorf("%s: %d bytes for %d on the wire", name, got, len(c.body))
		}
	}
}

func FuzzReadInfer(f *testing.F) {
	for _, m := range [][]byte{ // short ones: what is long takes the fuzzer minutes to make short
		response([][]byte{output("a", "FP32", nil, 2)}, make([]byte, 8)),
		response([][]byte{output("s", "BYTES", nil, 2)}, []byte{1, 0, 0, 0, 'x', 0, 0, 0, 0}),
		response([][]byte{output("i", "INT16", numbers(fieldInt, 1, 300), 2)}),
		response([][]byte{output("b", "BYTES", piece(nil, fieldBytes, []byte("x")), 1)}),
	} {
		f.Add(m)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := readInfer(b, tensor.Limits{})
		if err != nil {
			return
		}
		var reference inference.ModelInferResponse
		if proto.Unmarshal(b, &reference) != nil {
			return // something is wrong in what we skip, such as parameters
		}
		if len(p.Outputs) != len(reference.GetOutputs()) || p.Model != reference.GetModelName() {
			t.Fatalf("%q: %v, protobuf says %v", b, p, &reference)
		}
		for i, o := range reference.GetOutputs() {
			got := &p.Outputs[i]
			if err := got.Check(tensor.Limits{}); err != nil || got.Name != o.GetName() || !slices.Equal(got.Shape, o.GetShape()) {
				t.Fatalf("%q: output %d is %v, protobuf says %v: %v", b, i, got, o, err)
			}
			if raws := reference.GetRawOutputContents(); raws != nil && string(rawBytes(*got)) != string(raws[i]) {
				t.Fatalf("%q: output %d differs", b, i)
			} else if raws == nil && got.Type != tensor.Float32 && got.Type != tensor.Float64 && !proto.Equal(typedContents(*got), o.GetContents()) && len(got.Data)+len(got.Strings) > 0 {
				c := proto.CloneOf(o.GetContents())
				c.ProtoReflect().SetUnknown(nil)
				if !proto.Equal(typedContents(*got), c) {
					t.Fatalf("%q: output %d is %v, protobuf says %v", b, i, got, o)
				}
			}
		}
	})
}

func FuzzReadREST(f *testing.F) {
	f.Add([]byte(`{"outputs":[{"name":"a","shape":[2],"datatype":"FP32","data":[1,2.5]}]}`), int64(-1))
	f.Add([]byte(`{"outputs":[{"name":"a","shape":[1,2],"datatype":"BYTES","data":[["é","\n"]]}]}`), int64(-1))
	f.Add([]byte(`{"outputs":[{"name":"a","shape":[2],"datatype":"INT8","parameters":{"binary_data_size":2}}]}xy`), int64(92))
	f.Fuzz(func(t *testing.T, b []byte, header int64) {
		p, err := readREST(b, header, tensor.Limits{})
		if err != nil {
			return
		}
		text := b
		if header >= 0 {
			text = b[:header]
		}
		var reference struct {
			Outputs []jsonTensor `json:"outputs"`
		}
		if err := json.Unmarshal(text, &reference); err != nil && !strings.Contains(err.Error(), "cannot unmarshal") {
			t.Fatalf("%q: it was read, and encoding/json says %v", text, err)
		}
		for i := range p.Outputs {
			if err := p.Outputs[i].Check(tensor.Limits{}); err != nil {
				t.Fatalf("%q: output %d: %v", text, i, err)
			}
		}
	})
}

func FuzzTorchAnswer(f *testing.F) {
	for _, s := range []string{`{"cat":0.9,"dog":0.1}`, `[{"label":"a","score":1}]`, `[0.1,2]`, `3`, `[[1],[2]]`, `text`, `{"a":{"b":[null,true,false,"\ud83d\ude42"]}}`} {
		f.Add([]byte(s), []byte(s))
	}
	f.Fuzz(func(t *testing.T, a, b []byte) {
		outputs, err := torchOutputs([][]byte{a, b}, tensor.Limits{})
		if err != nil {
			return
		}
		for i := range outputs {
			if err := outputs[i].Check(tensor.Limits{}); err != nil {
				t.Fatalf("%q, %q: %v", a, b, err)
			}
		}
	})
}

// FuzzScan: what scan takes for JSON is JSON, and texts are what encoding/json reads.
func FuzzScan(f *testing.F) {
	for _, s := range []string{`{"a":[1,-0.5e+3,true,false,null,"\u00e9\n"]}`, `"\ud83d\ude42"`, `[01]`, `{"a":1,}`, `"a\`, ` [ ] `} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		s := scan{b: b}
		raw, ok := s.skip()
		ok = ok && s.end()
		if ok && !json.Valid(b) {
			t.Fatalf("%q is no JSON", b)
		}
		if ok && raw[0] == '"' {
			var want string
			got, fine := unquote(raw[1 : len(raw)-1])
			if err := json.Unmarshal(raw, &want); err != nil || !fine || string(got) != want {
				t.Fatalf("%q: %q, %v, encoding/json says %q, %v", raw, got, fine, want, err)
			}
		}
	})
}
