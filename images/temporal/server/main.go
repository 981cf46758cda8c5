// Command temporal-server runs the roles of Temporal in one process on one host, with fixed addresses instead of gossip.
//
// It takes the command line of the upstream server (`temporal-server --config-file FILE start --service NAME ...`) and the same
// configuration file, and differs in two ways:
//   - Members are not found by gossip (ringpop). Upstream opens the frontend's gossip port on the address where clients call, and
//     whoever reaches it can join the cluster. Here nothing listens but the gRPC ports.
//   - It refuses to start without an authorizer, a claim mapper and an audience, and with an inner role that is not on loopback: those
//     take no token.
package main

import (
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"

	"go.temporal.io/server/common/authorization"
	"go.temporal.io/server/common/config"
	"go.temporal.io/server/common/log"
	"go.temporal.io/server/common/membership/static"
	_ "go.temporal.io/server/common/persistence/sql/sqlplugin/postgresql"
	"go.temporal.io/server/common/primitives"
	"go.temporal.io/server/temporal"
)

const loopback = "127.0.0.1"

// names collects a flag that may be given more than once.
type names []string

func (n *names) String() string { return strings.Join(*n, ",") }

func (n *names) Set(value string) error {
	if !slices.Contains(temporal.Services, value) {
		return fmt.Errorf("unknown service, one of: %s", strings.Join(temporal.Services, ", "))
	}
	*n = append(*n, value)
	return nil
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "temporal-server:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	file, services, err := parse(arguments)
	if err != nil {
		return err
	}
	cfg, err := config.Load(config.WithConfigFile(file))
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if err := check(cfg, services); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	logger := log.NewZapLogger(log.BuildZapLogger(cfg.Log))
	server, err := newServer(cfg, services, logger)
	if err != nil {
		return err
	}
	return server.Start() // returns after SIGINT or SIGTERM, when all roles have stopped
}

func parse(arguments []string) (string, []string, error) {
	var services names
	global := flag.NewFlagSet("temporal-server", flag.ContinueOnError)
	file := global.String("config-file", os.Getenv(config.EnvKeyConfigFile), "configuration file")
	if err := global.Parse(arguments); err != nil {
		return "", nil, err
	}
	if *file == "" || global.Arg(0) != "start" {
		return "", nil, errors.New("usage: temporal-server --config-file FILE start --service NAME [--service NAME ...]")
	}
	start := flag.NewFlagSet("start", flag.ContinueOnError)
	start.Var(&services, "service", "a role to run; may be repeated")
	if err := start.Parse(global.Args()[1:]); err != nil {
		return "", nil, err
	}
	if len(services) == 0 || start.NArg() > 0 {
		return "", nil, errors.New("start wants --service NAME, once for each role, and nothing else")
	}
	return *file, services, nil
}

// check refuses what would let somebody in without a token.
func check(cfg *config.Config, services []string) error {
	auth := cfg.Global.Authorization
	if auth.Authorizer == "" || auth.ClaimMapper == "" || strings.TrimSpace(auth.Audience) == "" {
		return errors.New("global.authorization must have authorizer, claimMapper and audience")
	}
	for _, name := range services {
		service, known := cfg.Services[name]
		if !known || service.RPC.GRPCPort == 0 {
			return fmt.Errorf("services.%s.rpc.grpcPort is missing", name)
		}
		if name != string(primitives.FrontendService) && !service.RPC.BindOnLocalHost {
			return fmt.Errorf("services.%s.rpc.bindOnLocalHost must be true: this role takes no token", name)
		}
	}
	return nil
}

func newServer(cfg *config.Config, services []string, logger log.Logger) (temporal.Server, error) {
	authorizer, err := authorization.GetAuthorizerFromConfig(&cfg.Global.Authorization)
	if err != nil {
		return nil, fmt.Errorf("authorizer: %w", err)
	}
	claims, err := authorization.GetClaimMapperFromConfig(&cfg.Global.Authorization, logger)
	if err != nil {
		return nil, fmt.Errorf("claim mapper: %w", err)
	}
	audience, err := authorization.GetAudienceMapperFromConfig(&cfg.Global.Authorization)
	if err != nil {
		return nil, fmt.Errorf("audience: %w", err)
	}
	return temporal.NewServer(
		temporal.ForServices(services),
		temporal.WithConfig(cfg),
		temporal.WithLogger(logger),
		temporal.WithStaticHosts(hosts(cfg, services)),
		temporal.WithAuthorizer(authorizer),
		temporal.WithClaimMapper(func(*config.Config) authorization.ClaimMapper { return claims }),
		temporal.WithAudienceGetter(func(*config.Config) authorization.JWTAudienceMapper { return audience }),
		temporal.InterruptOn(temporal.InterruptCh()),
	)
}

func hosts(cfg *config.Config, services []string) map[primitives.ServiceName]static.Hosts {
	found := make(map[primitives.ServiceName]static.Hosts, len(services))
	for _, name := range services {
		address := net.JoinHostPort(loopback, strconv.Itoa(cfg.Services[name].RPC.GRPCPort))
		found[primitives.ServiceName(name)] = static.SingleLocalHost(address)
	}
	return found
}
