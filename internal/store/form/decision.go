package form

import (
	"encoding/json"

	"fairlead/internal/fault"
	"fairlead/orchestrator/record"
)

// EncodeDecisions gives the JSON of each decision of a tenant. InvalidArgument when the tenant is none, or a decision
// names no run or another tenant.
func EncodeDecisions(tenant string, decisions []record.Decision, doing string) ([]string, error) {
	if err := CheckTenant(tenant, doing); err != nil {
		return nil, err
	}
	bodies := make([]string, len(decisions))
	for i := range decisions {
		d := &decisions[i]
		if d.RunID == "" || !Text(d.RunID) || d.Tenant != tenant {
			return nil, BadRequest(doing, "one names no run or another tenant")
		}
		body, err := json.Marshal(d)
		if err != nil {
			return nil, fault.Wrap(err, fault.InvalidArgument, fault.ReasonBadRequest, "%s: one cannot be written as JSON", doing)
		}
		bodies[i] = string(body)
	}
	return bodies, nil
}

// DecodeDecision reads a decision. DataLoss when it is not readable.
func DecodeDecision(body []byte, doing string) (*record.Decision, error) {
	var d record.Decision
	if err := json.Unmarshal(body, &d); err != nil {
		return nil, fault.Wrap(err, fault.DataLoss, fault.ReasonNone, "%s: a stored decision is not readable", doing)
	}
	return &d, nil
}
