package dev.perseid.gateway;

import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import dev.perseid.core.Model;
import dev.perseid.core.ModelOffer;
import dev.perseid.core.Rights;
import dev.perseid.inference.ModelSignature;
import dev.perseid.inference.Request;
import dev.perseid.inference.Tokens;
import java.util.List;
import java.util.Map;
import java.util.NavigableSet;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.OptionalLong;

/// What the gateway stands on: who may ask, which models there are on which terms, and somebody who
/// carries a request to a provider, meters it, records it and has it paid. In a pool that is the
/// pool; on a consumer's machine, a connection to one. Safe for any thread; nothing blocks.
public interface Market {
  /// Who pays.
  ///
  /// @param account the account
  /// @param key which of its keys was shown, for fair queues: two keys of one account share its
  ///   turn
  /// @param rights what it may do with that key
  /// @param keys hashes of the key and of those above it, on which its spending counts; empty where
  ///   it showed none
  record Caller(Address account, String key, Rights rights, List<Hash> keys) {
    public Caller {
      keys = List.copyOf(keys);
    }

    /// Somebody who may do everything.
    public Caller(Address account, String key) {
      this(account, key, Rights.ALL, List.of());
    }
  }

  /// A request at the door.
  ///
  /// @param method `GET`, `POST`, ...
  /// @param pattern of the route that it wants, e.g. `/v1/models/{id...}`
  /// @param target path and query, exactly as they came
  /// @param key an API key or a session's token
  /// @param signed the `Authorization` header of a signed request
  /// @param from the caller's network address
  record Visit(
      String method,
      String pattern,
      String target,
      Optional<String> key,
      Optional<String> signed,
      String from) {}

  /// What is said at the door.
  sealed interface Admission {
    /// It may come in.
    ///
    /// @param body SHA-256 that the body must have, if that was signed
    record In(Caller caller, Optional<Hash> body) implements Admission {}

    /// Nobody is known by that (HTTP 401).
    record Nobody(String why) implements Admission {}

    /// Who it is is known, but it may not do this (HTTP 403).
    record Forbidden(String why) implements Admission {}

    /// It comes too often (HTTP 429).
    record TooOften(String why) implements Admission {}
  }

  /// Something in the catalog on which requests can be placed now.
  ///
  /// @param offerHash EIP-712 digest of the offer
  /// @param offer the terms
  /// @param model the model
  /// @param live how it does
  record Listing(Hash offerHash, ModelOffer offer, Model model, Live live) {}

  /// How an offer does, from the records of what was asked under it.
  ///
  /// @param reachable whether its provider is connected and says that the model is healthy
  /// @param running requests that it answers now, of this market
  /// @param waiting requests that wait at it
  /// @param firstTokenMs median time to the first token over recent requests
  /// @param firstTokenP90Ms its 90th percentile
  /// @param tokensPerS median rate of an answer's tokens after the first
  /// @param failedShare share of recent requests that the provider failed, 0 to 1
  /// @param microjoulesPerToken energy, where it is measured
  /// @param trust what audits say, 0 (caught cheating) to 1000 (nothing against it)
  /// @param honours the parameters of requests that its backend honours
  ///   ([dev.perseid.inference.Parameters]), as its provider says; empty if it does not
  record Live(
      boolean reachable,
      int running,
      int waiting,
      OptionalDouble firstTokenMs,
      OptionalDouble firstTokenP90Ms,
      OptionalDouble tokensPerS,
      double failedShare,
      OptionalLong microjoulesPerToken,
      int trust,
      Optional<NavigableSet<String>> honours) {}

  /// All that can be asked for, at one moment. Immutable.
  ///
  /// @param version changes whenever the rest does
  /// @param models all models that are not withdrawn, whether or not somebody serves them now, the
  ///   newest version of a name last
  /// @param listings offers by the model's manifest hash
  record Catalog(long version, List<Model> models, Map<Hash, List<Listing>> listings) {}

  /// The receipt's essence, for the end of an answer.
  ///
  /// @param promptTokens billed: the smaller of claim and own count
  /// @param cachedTokens likewise
  /// @param completionTokens likewise
  /// @param rows likewise
  /// @param charge microcredits
  record Bill(
      long promptTokens, long cachedTokens, long completionTokens, long rows, long charge) {}

  /// Who listens to an answer: as [dev.perseid.inference.Answer], but the market has metered it, so
  /// that in the end there is a bill (of what was delivered; 0 where nothing was) instead of a
  /// claim.
  interface Receiver {
    /// As [dev.perseid.inference.Answer#part].
    void part(byte[] json);

    /// The answer is complete.
    void done(Bill bill);

    /// It is not, and will not be.
    void failed(dev.perseid.inference.Failure failure, Bill bill);
  }

  /// What came of [#ask].
  sealed interface Placed {
    /// It is on its way.
    ///
    /// @param cancel stops it; may be run at any time
    record Running(Runnable cancel) implements Placed {}

    /// The caller cannot pay the most that it may cost (HTTP 402).
    ///
    /// @param message what is there, what is needed, what to do
    record Unpaid(String message) implements Placed {}

    /// The offer cannot take it now: ask another one, or later.
    record Full(String message, long retryAfterMs) implements Placed {}
  }

  /// Who a key stands for; empty if for nobody.
  Optional<Caller> caller(String apiKey);

  /// Whether a request may come in.
  default Admission admit(Visit visit) {
    if (visit.signed().isPresent()) {
      return new Admission.Nobody("Signed requests are for a pool's own gateway. Send a key.");
    }
    Optional<Caller> caller = visit.key().flatMap(this::caller);
    return caller.isPresent()
        ? new Admission.In(caller.get(), Optional.empty())
        : new Admission.Nobody("The key is not one of ours. Check it, or make a new one.");
  }

  /// The catalog now; cheap.
  Catalog catalog();

  /// The tokenizer of a model, if this market has it.
  Optional<Tokens> tokens(Hash model);

  /// The signature in a model's manifest, if this market has it.
  default Optional<ModelSignature> signature(Hash model) {
    return Optional.empty();
  }

  /// Who takes payments that come with requests, if this market takes any.
  default Optional<Till> till() {
    return Optional.empty();
  }

  /// Places a request under an offer.
  ///
  /// @param maxTokens the most tokens of the answer that may be billed; with the prompt's length it
  ///   decides how much of the caller's account is held
  Placed ask(Caller caller, Listing listing, Request request, long maxTokens, Receiver receiver);
}
