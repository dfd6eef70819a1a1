package dev.perseid.node;

import dev.perseid.core.Scope;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/// Who may do what: the one table of every route of every port. What is not here is for nobody, and
/// a server that has such a route does not start. docs/protocol.md shows the same table.
final class Access {
  /// A way into the pool.
  enum Port {
    /// gRPC, on the pool's port.
    GRPC,
    /// HTTP, on the pool's port.
    PAGES,
    /// HTTP, on the gateway's port.
    GATEWAY
  }

  /// Who may come by a route.
  ///
  /// @param port where it is
  /// @param route a full name such as `perseid.v1.Jobs/List`, or e.g. `GET /v1/blobs/{hash}`
  /// @param open whether anybody may, without saying who it is
  /// @param roles as what one may come
  /// @param scopes of which a key or session needs one; none where any will do
  record Rule(Port port, String route, boolean open, Set<Role> roles, Set<Scope> scopes) {
    /// Whether the rights of a key or session are enough.
    boolean allows(Set<Scope> had) {
      return scopes.isEmpty() || scopes.stream().anyMatch(had::contains);
    }
  }

  private static final Set<Role> ALL = EnumSet.allOf(Role.class);
  private static final Set<Role> CLIENTS = EnumSet.of(Role.CONSUMER, Role.OPERATOR, Role.OWNER);
  private static final Set<Role> READERS =
      EnumSet.of(Role.CONSUMER, Role.OPERATOR, Role.OWNER, Role.AUDITOR);
  private static final Set<Role> OPERATORS = EnumSet.of(Role.OPERATOR, Role.OWNER);
  private static final Set<Role> PROVIDERS = EnumSet.of(Role.PROVIDER);
  private static final Set<Role> STORERS =
      EnumSet.of(Role.CONSUMER, Role.OPERATOR, Role.OWNER, Role.PROVIDER);
  private static final Set<Scope> ANY = EnumSet.noneOf(Scope.class);
  private static final Set<Scope> READ = EnumSet.of(Scope.READ);
  private static final Set<Scope> ASK = EnumSet.of(Scope.INFERENCE);
  private static final Set<Scope> LOOK = EnumSet.of(Scope.READ, Scope.INFERENCE);
  private static final Set<Scope> JOBS = EnumSet.of(Scope.JOBS);
  private static final Set<Scope> STORE = EnumSet.of(Scope.JOBS, Scope.MODELS);
  private static final Set<Scope> MODELS = EnumSet.of(Scope.MODELS);
  private static final Set<Scope> MONEY = EnumSet.of(Scope.MONEY);
  private static final Set<Scope> SEE_MONEY = EnumSet.of(Scope.READ, Scope.MONEY);
  private static final Set<Scope> KEYS = EnumSet.of(Scope.KEYS);

  /// All rules, in the order of the documentation.
  static final List<Rule> RULES = rules();

  private static final Map<String, Rule> BY_ROUTE = byRoute();

  private Access() {}

  private static List<Rule> rules() {
    List<Rule> r = new ArrayList<>();
    open(r, Port.GRPC, "perseid.v1.Identity/About");
    open(r, Port.GRPC, "perseid.v1.Identity/Challenge");
    open(r, Port.GRPC, "perseid.v1.Identity/Login");
    add(r, Port.GRPC, "perseid.v1.Providers/Serve", PROVIDERS, ANY);
    add(r, Port.GRPC, "perseid.v1.Jobs/Submit", CLIENTS, JOBS);
    add(r, Port.GRPC, "perseid.v1.Jobs/Cancel", CLIENTS, JOBS);
    add(r, Port.GRPC, "perseid.v1.Jobs/List", READERS, READ);
    add(r, Port.GRPC, "perseid.v1.Jobs/Watch", READERS, READ);
    add(r, Port.GRPC, "perseid.v1.Jobs/Results", CLIENTS, READ);
    add(r, Port.GRPC, "perseid.v1.Jobs/Why", READERS, READ);
    add(r, Port.GRPC, "perseid.v1.Jobs/Records", READERS, READ);
    add(r, Port.GRPC, "perseid.v1.Jobs/Receipts", READERS, READ);
    add(r, Port.GRPC, "perseid.v1.Jobs/ListProviders", ALL, READ);
    add(r, Port.GRPC, "perseid.v1.Jobs/Account", ALL, READ);
    add(r, Port.GRPC, "perseid.v1.Jobs/Grant", OPERATORS, ANY);
    add(r, Port.GRPC, "perseid.v1.Jobs/MissingBlobs", STORERS, STORE);
    add(r, Port.GRPC, "perseid.v1.Models/Publish", CLIENTS, MODELS);
    add(r, Port.GRPC, "perseid.v1.Models/Withdraw", CLIENTS, MODELS);
    add(r, Port.GRPC, "perseid.v1.Models/Catalog", ALL, LOOK);
    add(r, Port.GRPC, "perseid.v1.Models/MakeKey", CLIENTS, KEYS);
    add(r, Port.GRPC, "perseid.v1.Models/ListKeys", CLIENTS, KEYS);
    add(r, Port.GRPC, "perseid.v1.Models/RevokeKey", CLIENTS, KEYS);
    add(r, Port.GRPC, "perseid.v1.Inference/Serve", PROVIDERS, ANY);
    add(r, Port.GRPC, "perseid.v1.Inference/Ask", CLIENTS, ASK);
    add(r, Port.GRPC, "perseid.v1.Money/Purse", READERS, SEE_MONEY);
    add(r, Port.GRPC, "perseid.v1.Money/WatchPurse", READERS, SEE_MONEY);
    add(r, Port.GRPC, "perseid.v1.Money/TakeVoucher", CLIENTS, MONEY);
    add(r, Port.GRPC, "perseid.v1.Money/Leave", CLIENTS, MONEY);
    add(r, Port.GRPC, "perseid.v1.Money/Statement", ALL, READ);
    add(r, Port.GRPC, "perseid.v1.Money/Claim", ALL, SEE_MONEY);
    add(r, Port.GRPC, "perseid.v1.Money/Status", OPERATORS, ANY);
    add(r, Port.GRPC, "perseid.v1.Money/Settle", OPERATORS, ANY);
    add(r, Port.GRPC, "perseid.v1.Money/RequireVouchers", OPERATORS, ANY);
    add(r, Port.GRPC, "perseid.v1.Money/Move", OPERATORS, ANY);
    for (String method :
        List.of("ServerLive", "ServerReady", "ServerMetadata", "ModelReady", "ModelMetadata")) {
      add(r, Port.GRPC, "inference.GRPCInferenceService/" + method, CLIENTS, LOOK);
    }
    add(r, Port.GRPC, "inference.GRPCInferenceService/ModelInfer", CLIENTS, ASK);

    open(r, Port.PAGES, "GET /v1/auth/nonce");
    open(r, Port.PAGES, "POST /v1/auth/session");
    add(r, Port.PAGES, "GET /v1/auth/session", ALL, ANY);
    add(r, Port.PAGES, "DELETE /v1/auth/session", ALL, ANY);
    add(r, Port.PAGES, "GET /v1/auth/keys", CLIENTS, KEYS);
    add(r, Port.PAGES, "POST /v1/auth/keys", CLIENTS, KEYS);
    add(r, Port.PAGES, "DELETE /v1/auth/keys/{hash}", CLIENTS, KEYS);
    add(r, Port.PAGES, "GET /v1/blobs/{hash}", STORERS, READ);
    add(r, Port.PAGES, "HEAD /v1/blobs/{hash}", STORERS, READ);
    add(r, Port.PAGES, "PUT /v1/blobs/{hash}", STORERS, STORE);

    open(r, Port.GATEWAY, "GET /api/version");
    open(r, Port.GATEWAY, "GET /v2/health/live");
    open(r, Port.GATEWAY, "GET /v2/health/ready");
    for (String path :
        List.of(
            "/v1/models",
            "/v1/models/{id...}",
            "/api/tags",
            "/api/ps",
            "/v2",
            "/v2/models/{m...}",
            "/v2/models/{m...}/ready",
            "/v2/models/{m...}/versions/{v}",
            "/v2/models/{m...}/versions/{v}/ready")) {
      add(r, Port.GATEWAY, "GET " + path, CLIENTS, LOOK);
    }
    add(r, Port.GATEWAY, "POST /api/show", CLIENTS, LOOK);
    for (String path :
        List.of(
            "/v1/chat/completions",
            "/v1/completions",
            "/v1/embeddings",
            "/v1/messages",
            "/v1/messages/count_tokens",
            "/v1/responses",
            "/v1/responses/{id}/cancel",
            "/api/chat",
            "/api/generate",
            "/api/embed",
            "/api/embeddings",
            "/api/pull",
            "/api/push",
            "/api/create",
            "/api/copy",
            "/v2/models/{m...}/infer",
            "/v2/models/{m...}/versions/{v}/infer")) {
      add(r, Port.GATEWAY, "POST " + path, CLIENTS, ASK);
    }
    add(r, Port.GATEWAY, "DELETE /api/delete", CLIENTS, ASK);
    add(r, Port.GATEWAY, "GET /v1/responses/{id}", CLIENTS, ASK);
    add(r, Port.GATEWAY, "DELETE /v1/responses/{id}", CLIENTS, ASK);
    add(r, Port.GATEWAY, "GET /v1/responses/{id}/input_items", CLIENTS, ASK);
    return List.copyOf(r);
  }

  private static void open(List<Rule> rules, Port port, String route) {
    rules.add(new Rule(port, route, true, ALL, ANY));
  }

  private static void add(
      List<Rule> rules, Port port, String route, Set<Role> roles, Set<Scope> scopes) {
    rules.add(new Rule(port, route, false, roles, scopes));
  }

  private static Map<String, Rule> byRoute() {
    Map<String, Rule> map = new LinkedHashMap<>();
    for (Rule rule : RULES) {
      if (map.put(key(rule.port(), rule.route()), rule) != null) {
        throw new IllegalStateException("two rules for " + rule.route());
      }
    }
    return map;
  }

  private static String key(Port port, String route) {
    return port + " " + route;
  }

  /// The rule of a route.
  ///
  /// @throws IllegalStateException if there is none: a server looks at its start
  static Rule rule(Port port, String route) {
    Rule rule = BY_ROUTE.get(key(port, route));
    if (rule == null) {
      throw new IllegalStateException("nobody has said who may come by " + key(port, route));
    }
    return rule;
  }
}
