package telemetry

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"go.opentelemetry.io/otel/trace"
)

// Dropped stands in a log for a value whose key says that it must not be there.
const Dropped = "[dropped]"

// NewLogger makes the program's logger. The format is "text" or "json". Records carry trace_id and span_id
// where their context has a trace. Values whose key, or a group around it, names content or a secret are
// replaced by Dropped: a net below the rule that they are not logged, not a licence. Secrets of the
// configuration mask themselves.
func NewLogger(w io.Writer, level slog.Leveler, format string) (*slog.Logger, error) {
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: guard}
	switch format {
	case "text":
		return slog.New(traced{slog.NewTextHandler(w, options)}), nil
	case "json":
		return slog.New(traced{slog.NewJSONHandler(w, options)}), nil
	default:
		return nil, fmt.Errorf("making the logger: unknown format %q: use text or json", format)
	}
}

// dropped lists the keys, in lower case with _ for -, whose values are content or secrets.
var dropped = func() map[string]bool {
	keys := map[string]bool{}
	for key := range strings.FieldsSeq(`
		authorization proxy_authorization cookie set_cookie credentials header headers
		api_key apikey key_value password passwd secret secrets token private_key
		answer answers arguments body completion content contents document documents input inputs messages
		output outputs passage passages prompt prompts query question quote text texts user_message`) {
		keys[key] = true
	}
	return keys
}()

// suffixes are endings of further keys whose values are secrets.
var suffixes = []string{"_api_key", "_password", "_secret", "_token"}

func mustDrop(key string) bool {
	key = strings.ReplaceAll(strings.ToLower(key), "-", "_")
	if dropped[key] {
		return true
	}
	for _, s := range suffixes {
		if strings.HasSuffix(key, s) {
			return true
		}
	}
	return false
}

// guard is a slog.HandlerOptions.ReplaceAttr. A group is never given to it, only what the group holds.
func guard(groups []string, a slog.Attr) slog.Attr {
	drop := mustDrop(a.Key)
	for _, g := range groups {
		drop = drop || mustDrop(g)
	}
	if drop {
		return slog.String(a.Key, Dropped)
	}
	return a
}

// traced adds the trace of a record's context.
type traced struct{ slog.Handler }

func (h traced) Handle(ctx context.Context, r slog.Record) error {
	if sc := trace.SpanContextFromContext(ctx); sc.IsValid() {
		r = r.Clone()
		r.AddAttrs(slog.String("trace_id", sc.TraceID().String()), slog.String("span_id", sc.SpanID().String()))
	}
	return h.Handler.Handle(ctx, r)
}

func (h traced) WithAttrs(attrs []slog.Attr) slog.Handler { return traced{h.Handler.WithAttrs(attrs)} }

func (h traced) WithGroup(name string) slog.Handler { return traced{h.Handler.WithGroup(name)} }
