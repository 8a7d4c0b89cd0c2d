package rpc

import (
	"context"

	"connectrpc.com/connect"

	pb "fairlead/gen/fairlead/v1"
	"fairlead/internal/auth"
	"fairlead/internal/fault"
	"fairlead/internal/label"
)

// headerLabel states a request's label for callers that cannot put it into the message.
const headerLabel = "Fairlead-Label"

// labelMessage gives a label on the wire. The numbers are the same on both sides, which a test keeps.
func labelMessage(l label.Label) pb.Label { return pb.Label(l) }

// labelOf reads a label. The rules of the API have let only defined ones through.
func labelOf(l pb.Label) label.Label { return label.Label(l) }

// admit gives who is calling and the label of the request: the higher one of its field and its header. It may
// not be above what the caller may send.
func admit(ctx context.Context, field pb.Label) (auth.Principal, label.Label, error) {
	p, err := principal(ctx)
	if err != nil {
		return p, label.Unset, err
	}
	l := labelOf(field)
	if call, ok := connect.CallInfoForHandlerContext(ctx); ok {
		for _, value := range call.RequestHeader().Values(headerLabel) {
			stated, err := label.Parse(value)
			if err != nil {
				return p, l, fault.New(fault.InvalidArgument, fault.ReasonBadRequest,
					"checking the request: header %s: it is not one of public, internal, confidential, restricted", headerLabel)
			}
			l = label.Join(l, stated)
		}
	}
	return p, l, underCeiling(p, l, "label")
}

// underCeiling refuses a label above what the caller may read and send.
func underCeiling(p auth.Principal, l label.Label, field string) error {
	if l > p.Ceiling {
		return fault.New(fault.PermissionDenied, fault.ReasonNone,
			"checking the request: %s: the label %s is above what this caller may use, which is %s", field, l, p.Ceiling)
	}
	return nil
}
