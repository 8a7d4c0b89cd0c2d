package rpc

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	pb "fairlead/gen/fairlead/v1"
	"fairlead/internal/fault"
	"fairlead/orchestrator/usage"
)

const (
	// usageDays is how many days are summed where the first is not said.
	usageDays = 30
	// maxSums is the most sums of one answer.
	maxSums = 10_000
)

var dimensions = map[pb.UsageRequest_Dimension]usage.Dimension{
	pb.UsageRequest_DIMENSION_TARGET: usage.ByTarget,
	pb.UsageRequest_DIMENSION_KEY:    usage.ByKey,
	pb.UsageRequest_DIMENSION_CHAIN:  usage.ByChain,
	pb.UsageRequest_DIMENSION_DAY:    usage.ByDay,
}

// Usage sums what attempts took, over whole days.
func (s *adminService) Usage(ctx context.Context, req *pb.UsageRequest) (*pb.UsageResponse, error) {
	if s.usage == nil {
		return nil, fault.New(fault.Unimplemented, fault.ReasonUnsupported, "this server keeps no usage")
	}
	_, tenant, err := s.tenantOf(ctx, req.GetTenant())
	if err != nil {
		return nil, err
	}
	q, err := usageQuery(req, time.Now())
	if err != nil {
		return nil, err
	}
	sums, err := s.usage.UsageSum(ctx, tenant, q)
	if err != nil {
		return nil, err
	}
	if len(sums) > maxSums {
		return nil, fault.New(fault.InvalidArgument, fault.ReasonTooLarge, "summing usage: there are %d sums and an answer holds %d: ask for fewer days, or by fewer dimensions", len(sums), maxSums)
	}
	out := &pb.UsageResponse{Sums: make([]*pb.UsageSum, len(sums))}
	for i := range sums {
		out.Sums[i] = sumMessage(&sums[i])
	}
	return out, nil
}

// usageQuery reads what is asked. Without a last day it is today, in UTC.
func usageQuery(req *pb.UsageRequest, now time.Time) (q usage.Query, err error) {
	last, err := day("until", req.GetUntil(), usage.DayOf(now))
	if err != nil {
		return q, err
	}
	if q.From, err = day("from", req.GetFrom(), last.AddDate(0, 0, -usageDays)); err != nil {
		return q, err
	}
	if q.From.After(last) {
		return q, invalid("from", "%s is after the last day, %s", q.From.Format(time.DateOnly), last.Format(time.DateOnly))
	}
	q.Until = last.AddDate(0, 0, 1)
	for _, d := range req.GetBy() {
		q.By = append(q.By, dimensions[d]) // the API's rules let no other through
	}
	return q, nil
}

func day(field, text string, fallback time.Time) (time.Time, error) {
	if text == "" {
		return fallback, nil
	}
	t, err := time.Parse(time.DateOnly, text)
	if err != nil || t.Year() < 1 || t.Year() >= 9999 {
		return t, invalid(field, "there is no such day: write 2026-11-01")
	}
	return t, nil
}

func sumMessage(s *usage.Sum) *pb.UsageSum {
	out := &pb.UsageSum{
		Target: validText(s.Target), Key: validText(s.Key), Chain: validText(s.Chain), Attempts: s.Attempts, Failed: s.Failed, Usage: usageMessage(s.Usage),
		Cost: moneyMessage(s.Cost), Unpriced: s.Unpriced, Estimated: s.Estimated, Duration: durationpb.New(s.Duration),
	}
	if !s.Day.IsZero() {
		out.Day = s.Day.Format(time.DateOnly)
	}
	return out
}
