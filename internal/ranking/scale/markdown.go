package scale

import (
	"fmt"
	"strings"
	"time"
)

// Markdown gives the report as tables.
func (r *Report) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s passages of %d dimensions in %d tenants; the large one has %s, the small one %s. Seed %d, %d writers.\n\n",
		thousands(r.Passages), r.Dimensions, r.Tenants, thousands(r.Large), thousands(r.Small), r.Seed, r.Writers)
	b.WriteString("| what | result |\n|---|---|\n")
	how := "with the index in place"
	if r.Rebuilt {
		how = "without the index"
	}
	fmt.Fprintf(&b, "| storing %s passages %s | %.0f passages/s |\n", thousands(r.Passages), how, r.IngestRate)
	fmt.Fprintf(&b, "| storing %s more with the index in place | %.0f passages/s |\n", thousands(r.Crowd), r.CrowdRate)
	if r.Rebuilt {
		fmt.Fprintf(&b, "| building the index | %s |\n", r.BuildTime.Round(100*time.Millisecond))
	}
	fmt.Fprintf(&b, "| size of the index | %.0f MiB |\n", float64(r.IndexBytes)/(1<<20))
	for i, x := range r.Recalls {
		fmt.Fprintf(&b, "| recall@10 of the %s tenant (%s), %d queries; p50 | %.4f asked for 10, %.4f of %d candidates; %s |\n", x.Tenant, x.Method, x.Queries, x.Ten, x.Candidates, candidates, shown(x.P50))
		c := r.Crowded[i]
		fmt.Fprintf(&b, "| the same (%s), after another tenant stored %s passages around the large tenant's queries | %.4f, %.4f; %s |\n", c.Method, thousands(r.Crowd), c.Ten, c.Candidates, shown(c.P50))
	}
	b.WriteString("\n| tenant | search by | clients | p50 | p99 | searches/s |\n|---|---|---|---|---|---|\n")
	for _, l := range r.Latencies {
		fmt.Fprintf(&b, "| %s | %s | %d | %s | %s | %.0f |\n", l.Tenant, l.By, l.Clients, shown(l.P50), shown(l.P99), l.Rate)
	}
	return strings.TrimSpace(b.String())
}

// shown gives a time to a tenth of a millisecond, or a millisecond where it is long.
func shown(d time.Duration) string {
	if d < 100*time.Millisecond {
		return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
	}
	return fmt.Sprintf("%d ms", d.Milliseconds())
}

func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}
