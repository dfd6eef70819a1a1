package dev.perseid.node;

import dev.perseid.core.Hash;
import dev.perseid.gateway.Gateway;
import dev.perseid.gateway.Market;
import dev.perseid.gateway.Till;
import dev.perseid.inference.ModelSignature;
import dev.perseid.inference.Request;
import dev.perseid.inference.Tokens;
import java.util.Optional;

/// A pool's market behind the pool's door: the gateway lets in whom [Access] lets in, by an API
/// key, a session's token or a signature.
final class GuardedMarket implements Market {
  private final Market market;
  private final Entrance entrance;

  /// @throws IllegalStateException if the gateway has a route without a rule, or one that is open
  ///   by one account and not by the other
  GuardedMarket(Market market, Entrance entrance) {
    this.market = market;
    this.entrance = entrance;
    for (Gateway.Door door : Gateway.doors(market)) {
      Access.Rule rule = Access.rule(Access.Port.GATEWAY, door.method() + " " + door.pattern());
      if (rule.open() != door.open()) {
        throw new IllegalStateException(rule.route() + " is open, or it is not");
      }
    }
  }

  @Override
  public Optional<Caller> caller(String apiKey) {
    return market.caller(apiKey);
  }

  @Override
  public Admission admit(Visit visit) {
    Access.Rule rule = Access.rule(Access.Port.GATEWAY, visit.method() + " " + visit.pattern());
    String shown = visit.signed().orElseGet(() -> "Bearer " + visit.key().orElse(""));
    return switch (entrance.admit(rule, shown, visit.method(), visit.target(), visit.from())) {
      case Entrance.Admission.In(Sessions.Session session, Optional<Hash> body) ->
          new Admission.In(session.asCaller(), body);
      case Entrance.Admission.Nobody(String why) -> new Admission.Nobody(why);
      case Entrance.Admission.Forbidden(String why) -> new Admission.Forbidden(why);
      case Entrance.Admission.TooOften(String why) -> new Admission.TooOften(why);
    };
  }

  @Override
  public Catalog catalog() {
    return market.catalog();
  }

  @Override
  public Optional<Tokens> tokens(Hash model) {
    return market.tokens(model);
  }

  @Override
  public Optional<ModelSignature> signature(Hash model) {
    return market.signature(model);
  }

  @Override
  public Optional<Till> till() {
    return market.till();
  }

  @Override
  public Placed ask(
      Caller caller, Listing listing, Request request, long maxTokens, Receiver receiver) {
    return market.ask(caller, listing, request, maxTokens, receiver);
  }
}
