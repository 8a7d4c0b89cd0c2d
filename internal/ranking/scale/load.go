package scale

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"fairlead/internal/auth/tenants"
	"fairlead/internal/label"
	"fairlead/retrieval"
)

// collection is that of every tenant.
const collection = "bench"

// tenant is one of those that are made up.
type tenant struct {
	name     string
	number   int
	passages int
}

// shares parts passages among tenants: the first has 60 %, the second 2 %, and the others share the rest evenly.
func shares(prefix string, count, passages int) []tenant {
	out := make([]tenant, count)
	left := passages
	for i := range out {
		var n int
		switch i {
		case 0:
			n = passages * 60 / 100
		case 1:
			n = passages * 2 / 100
		default:
			n = left / (count - i)
		}
		left -= n
		out[i] = tenant{name: fmt.Sprintf("%s-%03d", prefix, i), number: i, passages: n}
	}
	return out
}

// open makes the tenant with its collection.
func (b *bench) open(ctx context.Context, t tenant) error {
	if err := b.Store.TenantInsert(ctx, tenants.Tenant{Name: t.name, Description: "of a benchmark, which deletes it"}); err != nil {
		return err
	}
	return b.Store.CollectionInsert(ctx, t.name, retrieval.Collection{
		Name: collection, Label: label.Internal, Embedder: "bench", Dimensions: b.Dimensions, LexicalWeight: weight, CreatedAt: time.Now(),
	})
}

// job is a document to store.
type job struct {
	tenant tenant
	number int
	n      int // passages
}

func (t tenant) jobs() (out []job) {
	for left, number := t.passages, 0; left > 0; number++ {
		n := min(left, perDocument)
		out = append(out, job{t, number, n})
		left -= n
	}
	return out
}

// jobs are those of all tenants in an order by chance, as if all of them ingested at once.
func (b *bench) jobs(all []tenant) []job {
	var out []job
	for _, t := range all {
		out = append(out, t.jobs()...)
	}
	r := rand.New(rand.NewPCG(b.Seed, 1))
	r.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// load stores documents by several writers, and gives passages for each second.
func (b *bench) load(ctx context.Context, jobs []job, write func(job) (retrieval.Document, []retrieval.Passage, [][]float32)) (rate float64, err error) {
	start := time.Now()
	total := 0
	for _, j := range jobs {
		total += j.n
	}
	var next, done atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	for range b.Writers {
		g.Go(func() error {
			for ctx.Err() == nil {
				i := int(next.Add(1)) - 1
				if i >= len(jobs) {
					return nil
				}
				j := jobs[i]
				d, passages, vectors := write(j)
				d.CreatedAt, d.UpdatedAt = start, start
				if err := b.Store.DocumentPut(ctx, j.tenant.name, d, passages, vectors); err != nil {
					return err
				}
				if n := done.Add(int64(j.n)); n*10/int64(total) != (n-int64(j.n))*10/int64(total) {
					b.Progress(fmt.Sprintf("%d of %d passages after %s", n, total, time.Since(start).Round(time.Second)))
				}
			}
			return ctx.Err()
		})
	}
	err = g.Wait()
	return float64(total) / time.Since(start).Seconds(), err
}

// remove deletes tenants with all they have, as many as there are.
func (b *bench) remove(ctx context.Context, all []tenant) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removalTime)
	defer cancel()
	var errs []error
	for _, t := range all {
		errs = append(errs, Remove(ctx, b.Store, t.name))
	}
	return errors.Join(errs...)
}

// removalTime is how long it may take to delete what a benchmark made.
const removalTime = 15 * time.Minute

// Remove deletes a tenant with all it has. One that is not there is none to delete.
func Remove(ctx context.Context, s tenants.Store, name string) error {
	err := s.TenantDisable(ctx, name, time.Now())
	if err == nil {
		err = s.TenantDelete(ctx, name)
	}
	if gone(err) {
		return nil
	}
	return err
}
