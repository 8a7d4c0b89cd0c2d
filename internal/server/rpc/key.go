package rpc

import (
	"context"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "fairlead/gen/fairlead/v1"
	"fairlead/internal/auth"
	"fairlead/internal/auth/keys"
	"fairlead/internal/fault"
)

// defaultGrace is how long a key that was rotated still works when the caller does not say.
const defaultGrace = 24 * time.Hour

// CreateKey makes a key.
func (s *adminService) CreateKey(ctx context.Context, req *pb.CreateKeyRequest) (*pb.CreateKeyResponse, error) {
	p, tenant, err := s.keysOf(ctx, req.GetTenant())
	if err != nil {
		return nil, err
	}
	k := keys.Key{
		Tenant: tenant, Name: req.GetName(), Scopes: scopesOf(req.GetScopes()), Ceiling: labelOf(req.GetCeiling()),
		Models: namesOf(req.GetModels()), Policies: namesOf(req.GetPolicies()),
	}
	if req.GetExpiresAt() != nil {
		if err := req.GetExpiresAt().CheckValid(); err != nil {
			return nil, invalid("expires_at", "it is not a time")
		}
		k.ExpiresAt = req.GetExpiresAt().AsTime()
	}
	made, secret, err := s.keys.Create(ctx, p, k)
	if err != nil {
		return nil, err
	}
	return &pb.CreateKeyResponse{Key: keyMessage(made), Secret: secret}, nil
}

// ListKeys lists a tenant's keys.
func (s *adminService) ListKeys(ctx context.Context, req *pb.ListKeysRequest) (*pb.ListKeysResponse, error) {
	_, tenant, err := s.keysOf(ctx, req.GetTenant())
	if err != nil {
		return nil, err
	}
	list, err := s.keys.List(ctx, tenant)
	if err != nil {
		return nil, err
	}
	out := &pb.ListKeysResponse{Keys: make([]*pb.Key, len(list))}
	for i := range list {
		out.Keys[i] = keyMessage(&list[i])
	}
	return out, nil
}

// RotateKey makes a key in place of another.
func (s *adminService) RotateKey(ctx context.Context, req *pb.RotateKeyRequest) (*pb.RotateKeyResponse, error) {
	p, tenant, err := s.keysOf(ctx, req.GetTenant())
	if err != nil {
		return nil, err
	}
	grace := defaultGrace
	if req.GetGrace() != nil {
		grace = req.GetGrace().AsDuration()
	}
	made, secret, ends, err := s.keys.Rotate(ctx, p, tenant, req.GetId(), grace)
	if err != nil {
		return nil, err
	}
	return &pb.RotateKeyResponse{Key: keyMessage(made), Secret: secret, OldExpiresAt: timestamppb.New(ends)}, nil
}

// RevokeKey ends a key.
func (s *adminService) RevokeKey(ctx context.Context, req *pb.RevokeKeyRequest) (*pb.RevokeKeyResponse, error) {
	_, tenant, err := s.keysOf(ctx, req.GetTenant())
	if err != nil {
		return nil, err
	}
	if err := s.keys.Revoke(ctx, tenant, req.GetId()); err != nil {
		return nil, err
	}
	return &pb.RevokeKeyResponse{}, nil
}

// keysOf gives who is calling and the tenant whose keys a request is about.
func (s *adminService) keysOf(ctx context.Context, asked string) (auth.Principal, string, error) {
	if s.keys == nil {
		return auth.Principal{}, "", fault.New(fault.Unimplemented, fault.ReasonUnsupported, "this server keeps no keys")
	}
	return s.tenantOf(ctx, asked)
}

// scopesOf reads scopes. The rules of the API have let only defined ones through, which are numbered as the bits are.
func scopesOf(list []pb.Scope) (set auth.Scopes) {
	for _, scope := range list {
		set |= 1 << (scope - 1)
	}
	return set
}

// namesOf reads a list of names, which is all where it is empty.
func namesOf(list []string) []string {
	if len(list) == 0 {
		return nil
	}
	return list
}

func keyMessage(k *keys.Key) *pb.Key {
	out := &pb.Key{
		Id: k.ID, Tenant: k.Tenant, Name: validText(k.Name), Ceiling: labelMessage(k.Ceiling), Models: validTexts(k.Models), Policies: validTexts(k.Policies),
		CreatedBy: validText(k.CreatedBy), CreatedAt: timestamppb.New(k.CreatedAt), ExpiresAt: timeMessage(k.ExpiresAt), RevokedAt: timeMessage(k.RevokedAt),
		Replaces: k.Replaces,
	}
	for scope := pb.Scope_SCOPE_CHAT; scope <= pb.Scope_SCOPE_OPERATOR; scope++ {
		if k.Scopes.Has(1 << (scope - 1)) {
			out.Scopes = append(out.Scopes, scope)
		}
	}
	return out
}
