package dev.perseid.core;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// Decides what concerns models: the part of a [Decision] about publishing, offering, paying and
/// recording inference.
final class ModelDecision {
  private final State state;
  private final ModelMarket market;
  private final Decision decision;
  private final long nowUs;

  ModelDecision(State state, Decision decision, long nowUs) {
    this.state = state;
    this.market = state.market;
    this.decision = decision;
    this.nowUs = nowUs;
  }

  void publish(Command.PublishModel c) {
    String what = "PublishModel";
    Model m = c.model();
    String problem = ModelCheck.problem(m);
    if (problem == null && c.signature().length() > Limits.SIGNATURE_CHARS) {
      problem = "the signature has more than " + Limits.SIGNATURE_CHARS + " characters";
    }
    if (problem != null) {
      decision.refuse(what, m.author(), Rejection.Code.INVALID, problem);
      return;
    }
    Address owner = market.owners.get(m.name());
    if (owner != null && !owner.equals(m.author())) {
      decision.refuse(
          what,
          m.author(),
          Rejection.Code.FORBIDDEN,
          "the name '" + m.name() + "' belongs to " + owner + ": choose another name");
      return;
    }
    ModelMarket.ModelRow known = market.byFullName.get(m.fullName());
    if (known != null && known.withdrawn) {
      decision.refuse(
          what,
          m.author(),
          Rejection.Code.INVALID,
          m.fullName() + " was withdrawn: choose a new version, withdrawn ones do not come back");
      return;
    }
    if (known != null && known.model.equals(signedWhen(m, known.model.madeUs()))) {
      return;
    }
    if (known != null && known.model.manifest().equals(m.manifest())) {
      decision.refuse(
          what,
          m.author(),
          Rejection.Code.INVALID,
          m.fullName()
              + " was published under other terms: choose a new version, published ones never"
              + " change");
      return;
    }
    if (known != null) {
      decision.refuse(
          what,
          m.author(),
          Rejection.Code.INVALID,
          "version "
              + m.version()
              + " of '"
              + m.name()
              + "' was published with other content ("
              + known.model.manifest()
              + "): choose a new version, published ones never change");
      return;
    }
    ModelMarket.ModelRow same = market.models.get(m.manifest());
    if (same != null) {
      decision.refuse(
          what,
          m.author(),
          Rejection.Code.INVALID,
          "this content is published already, as " + same.model.fullName());
      return;
    }
    if (market.models.size() >= Limits.MODELS
        || market.published.getOrDefault(m.author(), 0) >= Limits.MODELS_OF_ONE) {
      decision.refuse(
          what,
          m.author(),
          Rejection.Code.OVERLOADED,
          "no more models can be listed: "
              + Limits.MODELS_OF_ONE
              + " of one author and "
              + Limits.MODELS
              + " in all are the limit");
      return;
    }
    if (state.ledger.find(m.author()) == null && state.ledger.size() >= Limits.ACCOUNTS) {
      decision.refuse(
          what,
          m.author(),
          Rejection.Code.OVERLOADED,
          "the pool has "
              + Limits.ACCOUNTS
              + " accounts already and opens none for the author's royalties");
      return;
    }
    decision.emit(new Event.ModelPublished(m, c.modelHash(), c.signature(), nowUs));
  }

  /// The model as if it had been signed at another time.
  private static Model signedWhen(Model m, long madeUs) {
    return new Model(
        m.author(),
        m.name(),
        m.version(),
        m.manifest(),
        m.task(),
        m.format(),
        m.quantisation(),
        m.parameters(),
        m.contextTokens(),
        m.licence(),
        m.royaltyPermille(),
        madeUs);
  }

  void withdraw(Command.WithdrawModel c) {
    String what = "WithdrawModel";
    ModelMarket.ModelRow row = market.models.get(c.manifest());
    if (row == null) {
      decision.refuse(
          what, c.by(), Rejection.Code.UNKNOWN, "no model " + c.manifest() + " is listed here");
    } else if (!c.operator() && !row.model.author().equals(c.by())) {
      decision.refuse(
          what,
          c.by(),
          Rejection.Code.FORBIDDEN,
          row.model.fullName()
              + " was published by another account: only its author may withdraw it");
    } else if (!row.withdrawn) {
      decision.emit(new Event.ModelWithdrawn(c.manifest(), nowUs));
    }
  }

  void offer(Command.OfferModels c) {
    String what = "OfferModels";
    Provider provider = decision.speaking(what, c.provider(), c.session());
    if (provider == null) {
      return;
    }
    if (provider.state != ProviderView.State.SERVING && !c.offers().isEmpty()) {
      decision.refuse(
          what,
          c.provider(),
          Rejection.Code.STALE,
          "the provider drains and takes no new requests: connect again");
      return;
    }
    String problem = null;
    if (c.offers().size() > Limits.MODEL_OFFERS_OF_ONE) {
      problem =
          c.offers().size() + " models are too many: offer at most " + Limits.MODEL_OFFERS_OF_ONE;
    }
    Set<Hash> seen = new HashSet<>();
    List<SignedModelOffer> now = new ArrayList<>();
    for (SignedModelOffer signed : c.offers()) {
      if (problem == null) {
        problem = problem(c, signed, seen);
        ModelMarket.ModelRow row = market.models.get(signed.offer().model());
        // A model that its author withdrew takes nothing from the others of its providers.
        if (row != null && !row.withdrawn) {
          now.add(signed);
        }
      }
    }
    if (problem == null && now.isEmpty() && !c.offers().isEmpty()) {
      problem = "all of these models were withdrawn: serve another version";
    }
    if (problem != null) {
      decision.refuse(what, c.provider(), Rejection.Code.INVALID, problem);
    } else if (market.inForceWithout(c.provider()) + now.size() > Limits.MODEL_OFFERS_IN_FORCE) {
      decision.refuse(
          what,
          c.provider(),
          Rejection.Code.OVERLOADED,
          "the pool lists as many offers of models as it may ("
              + Limits.MODEL_OFFERS_IN_FORCE
              + "): try again later or join another pool");
    } else if (!now.equals(market.inForce.getOrDefault(c.provider(), List.of()))) {
      decision.emit(new Event.ModelsOffered(c.provider(), List.copyOf(now), nowUs));
    }
  }

  private @Nullable String problem(Command.OfferModels c, SignedModelOffer signed, Set<Hash> seen) {
    ModelOffer o = signed.offer();
    ModelMarket.ModelRow row = market.models.get(o.model());
    if (row == null) {
      return "the model " + o.model() + " is not published here: publish it first";
    }
    String name = row.model.fullName();
    if (!o.provider().equals(c.provider())) {
      return "the offer of " + name + " is of another provider";
    }
    if (signed.signature().length() > Limits.SIGNATURE_CHARS) {
      return "the signature of the offer of "
          + name
          + " has more than "
          + Limits.SIGNATURE_CHARS
          + " characters";
    }
    if (!seen.add(o.model())) {
      return "the model " + name + " is offered twice: one offer for each model is enough";
    }
    String problem = ModelCheck.problem(o, row.model, c.poolPermille());
    return problem == null ? null : "the offer of " + name + " is refused: " + problem;
  }

  void fill(Command.FillTab c) {
    Account payer = state.ledger.find(c.consumer());
    long balance = state.spendable(c.consumer(), nowUs);
    if (c.amount() <= 0) {
      decision.refuse(
          "FillTab",
          c.consumer(),
          Rejection.Code.INVALID,
          "a tab cannot be filled with " + c.amount() + " microcredits: write 1 or more");
    } else if (balance < c.amount()) {
      decision.refuse(
          "FillTab",
          c.consumer(),
          Rejection.Code.INSUFFICIENT_CREDITS,
          "account "
              + c.consumer()
              + " has "
              + Text.credits(balance)
              + " free"
              + state.withheld(c.consumer(), nowUs)
              + ", the request may cost "
              + Text.credits(c.amount())
              + ": ask for a shorter answer (max_tokens), or "
              + Treasury.fund(state.treasury.money));
    } else if (payer != null
        && state.treasury.isVouched()
        && !state.treasury.covers(payer, c.amount(), nowUs)) {
      decision.refuse(
          "FillTab",
          c.consumer(),
          Rejection.Code.UNCOVERED,
          state.treasury.uncovered(payer, c.amount(), nowUs));
    } else {
      decision.emit(new Event.TabFilled(c.consumer(), c.amount(), nowUs));
    }
  }

  void empty(Command.EmptyTab c) {
    long left = market.onTab(c.consumer());
    if (market.tabs.get(c.consumer()) != null) {
      decision.emit(new Event.TabEmptied(c.consumer(), left, nowUs));
    }
  }

  void record(Command.RecordInferences c) {
    String what = "RecordInferences";
    int count = c.records().size();
    if (count == 0
        || count > Limits.BATCH_REPORTS
        || count != c.digests().size()
        || (!c.keys().isEmpty() && count != c.keys().size())) {
      decision.refuse(
          what,
          c.provider(),
          Rejection.Code.INVALID,
          count
              + " records with "
              + c.digests().size()
              + " digests: send as many of each, 1 to "
              + Limits.BATCH_REPORTS);
      return;
    }
    if (c.signature().length() > Limits.SIGNATURE_CHARS) {
      decision.refuse(
          what,
          c.provider(),
          Rejection.Code.INVALID,
          "the signature has more than " + Limits.SIGNATURE_CHARS + " characters");
      return;
    }
    boolean signed = !c.signature().isEmpty();
    Set<Long> numbers = new HashSet<>();
    long batch = -1;
    for (int i = 0; i < count; i++) {
      ExecutionRecord r = c.records().get(i);
      String problem =
          numbers.add(r.lease())
              ? InferenceCheck.problem(market, state.self, c.provider(), r, signed)
              : "it stands in the batch twice";
      if (problem != null) {
        decision.refuse(
            what,
            c.provider(),
            Rejection.Code.INVALID,
            "request " + Text.quote(r.taskName()) + ": " + problem);
        continue;
      }
      Entry.Attestation attestation = new Entry.Attestation.PoolOnly();
      if (signed) {
        if (batch < 0) {
          batch = state.batches;
          decision.emit(
              new Event.BatchSigned(
                  new SignedBatch(batch, c.provider(), List.copyOf(c.digests()), c.signature())));
        }
        attestation = new Entry.Attestation.Signed(batch, i);
      }
      decision.emit(new Event.InferenceRecorded(new Entry(state.records, nowUs, r, attestation)));
      if (!c.keys().isEmpty()) {
        decision.keys.spend(c.keys().get(i), r.charge());
      }
    }
  }
}
