package rpc

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "fairlead/gen/fairlead/v1"
	"fairlead/internal/auth"
	"fairlead/internal/auth/tenants"
	"fairlead/internal/fault"
)

// tenantOf gives who is calling and the tenant that a request is about: its own, or for an operator any that there is.
// Names of others are nobody else's to guess, so one that is there is answered as one that is not.
func (s *adminService) tenantOf(ctx context.Context, asked string) (auth.Principal, string, error) {
	p, err := principal(ctx)
	if err != nil || asked == "" || asked == p.Tenant {
		return p, p.Tenant, err
	}
	unknown := fault.New(fault.NotFound, fault.ReasonUnknownTenant, "there is no tenant %q", asked)
	if !p.Scopes.Has(auth.Operator) || tenants.CheckName(asked) != nil {
		return p, "", unknown
	}
	if s.tenants != nil {
		if _, err := s.tenants.TenantGet(ctx, asked); err != nil {
			if fault.CodeOf(err) == fault.NotFound {
				err = unknown
			}
			return p, "", err
		}
	}
	return p, asked, nil
}

// operator gives who is calling, who manages tenants.
func (s *adminService) operator(ctx context.Context) (auth.Principal, error) {
	if s.tenants == nil {
		return auth.Principal{}, fault.New(fault.Unimplemented, fault.ReasonUnsupported, "this server keeps no tenants")
	}
	return principal(ctx)
}

// CreateTenant makes a tenant.
func (s *adminService) CreateTenant(ctx context.Context, req *pb.CreateTenantRequest) (*pb.CreateTenantResponse, error) {
	if _, err := s.operator(ctx); err != nil {
		return nil, err
	}
	t := tenants.Tenant{Name: req.GetTenant().GetName(), Description: req.GetTenant().GetDescription(), CreatedAt: time.Now().UTC().Truncate(time.Microsecond)}
	if err := s.tenants.TenantInsert(ctx, t); err != nil {
		return nil, err
	}
	return &pb.CreateTenantResponse{Tenant: tenantMessage(&t)}, nil
}

// ListTenants lists tenants.
func (s *adminService) ListTenants(ctx context.Context, req *pb.ListTenantsRequest) (*pb.ListTenantsResponse, error) {
	if _, err := s.operator(ctx); err != nil {
		return nil, err
	}
	if token := req.GetPageToken(); token != "" && tenants.CheckName(token) != nil {
		return nil, invalid("page_token", "it is not one that this server gave")
	}
	size := int(req.GetPageSize())
	if size == 0 {
		size = defaultPage
	}
	list, err := s.tenants.TenantList(ctx, req.GetPageToken(), size+1)
	if err != nil {
		return nil, err
	}
	out := &pb.ListTenantsResponse{}
	if len(list) > size {
		list = list[:size]
		out.NextPageToken = list[size-1].Name
	}
	for i := range list {
		out.Tenants = append(out.Tenants, tenantMessage(&list[i]))
	}
	return out, nil
}

// DisableTenant shuts a tenant's callers out, or lets them in again. Nobody shuts out themselves: who would let them in?
func (s *adminService) DisableTenant(ctx context.Context, req *pb.DisableTenantRequest) (*pb.DisableTenantResponse, error) {
	p, err := s.operator(ctx)
	if err != nil {
		return nil, err
	}
	at := time.Time{}
	if !req.GetEnable() {
		if req.GetName() == p.Tenant {
			return nil, fault.New(fault.FailedPrecondition, fault.ReasonNotAllowed, "shutting the tenant %s out: it is the caller's own", p.Tenant)
		}
		at = time.Now().UTC().Truncate(time.Microsecond)
	}
	if err := s.tenants.TenantDisable(ctx, req.GetName(), at); err != nil {
		return nil, err
	}
	t, err := s.tenants.TenantGet(ctx, req.GetName())
	if err != nil {
		return nil, err
	}
	return &pb.DisableTenantResponse{Tenant: tenantMessage(t)}, nil
}

// DeleteTenant deletes a tenant that is disabled, with everything that is kept of it.
func (s *adminService) DeleteTenant(ctx context.Context, req *pb.DeleteTenantRequest) (*pb.DeleteTenantResponse, error) {
	if _, err := s.operator(ctx); err != nil {
		return nil, err
	}
	if err := s.tenants.TenantDelete(ctx, req.GetName()); err != nil {
		return nil, err
	}
	return &pb.DeleteTenantResponse{}, nil
}

func tenantMessage(t *tenants.Tenant) *pb.Tenant {
	return &pb.Tenant{
		Name: t.Name, Description: validText(t.Description), CreatedAt: timestamppb.New(t.CreatedAt), DisabledAt: timeMessage(t.DisabledAt),
	}
}
