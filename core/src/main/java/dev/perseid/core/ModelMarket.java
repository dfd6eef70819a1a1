package dev.perseid.core;

import java.util.ArrayList;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/// What the pool knows of models: which there are, who serves them on which terms, what consumers
/// have set aside to pay for them, and which API keys stand for whom. Part of the [State], changed
/// by events alone.
final class ModelMarket {
  /// A published version.
  static final class ModelRow {
    final Model model;
    final Hash hash;
    final String signature;
    final long publishedUs;
    boolean withdrawn;

    ModelRow(Model model, Hash hash, String signature, long publishedUs) {
      this.model = model;
      this.hash = hash;
      this.signature = signature;
      this.publishedUs = publishedUs;
    }

    ModelView view() {
      return new ModelView(model, hash, signature, publishedUs, withdrawn);
    }
  }

  /// A key of an account.
  record KeyRow(Address account, Hash keyHash, String name, long madeUs) {}

  /// Versions by manifest, in the order in which they were published.
  final LinkedHashMap<Hash, ModelRow> models = new LinkedHashMap<>();

  /// Versions by name and version.
  final TreeMap<String, ModelRow> byFullName = new TreeMap<>();

  /// Who published a name first.
  final TreeMap<String, Address> owners = new TreeMap<>();

  /// How many versions each author published.
  final TreeMap<Address, Integer> published = new TreeMap<>();

  /// Remembered offers, oldest first.
  final LinkedHashMap<Hash, SignedModelOffer> offers = new LinkedHashMap<>();

  /// What each provider offers now.
  final TreeMap<Address, List<SignedModelOffer>> inForce = new TreeMap<>();

  /// What each consumer set aside.
  final TreeMap<Address, Account> tabs = new TreeMap<>();

  final TreeMap<Hash, KeyRow> keys = new TreeMap<>();
  final TreeMap<Address, Integer> keysOf = new TreeMap<>();

  void publish(ModelRow row) {
    Model m = row.model;
    models.put(m.manifest(), row);
    byFullName.put(m.fullName(), row);
    owners.putIfAbsent(m.name(), m.author());
    published.merge(m.author(), 1, Integer::sum);
  }

  void withdraw(Hash manifest) {
    ModelRow row = models.get(manifest);
    if (row == null) {
      throw new IllegalStateException("there is no model " + manifest);
    }
    row.withdrawn = true;
  }

  void offer(Address provider, List<SignedModelOffer> now) {
    for (SignedModelOffer o : now) {
      // The newest are at the end, whether or not they were there before.
      offers.remove(o.hash());
      offers.put(o.hash(), o);
    }
    if (now.isEmpty()) {
      inForce.remove(provider);
    } else {
      inForce.put(provider, List.copyOf(now));
    }
    if (offers.size() > Limits.MODEL_OFFERS) {
      forgetOldOffers();
    }
  }

  private void forgetOldOffers() {
    Iterator<SignedModelOffer> oldest = offers.values().iterator();
    while (offers.size() > Limits.MODEL_OFFERS * 3 / 4 && oldest.hasNext()) {
      if (!isInForce(oldest.next())) {
        oldest.remove();
      }
    }
  }

  private boolean isInForce(SignedModelOffer offer) {
    return inForce.getOrDefault(offer.offer().provider(), List.of()).contains(offer);
  }

  Account tab(Address consumer) {
    return tabs.computeIfAbsent(consumer, c -> new Account());
  }

  long onTab(Address consumer) {
    Account tab = tabs.get(consumer);
    return tab == null ? 0 : tab.balance;
  }

  void addKey(KeyRow row) {
    keys.put(row.keyHash(), row);
    keysOf.merge(row.account(), 1, Integer::sum);
  }

  void removeKey(Hash keyHash) {
    KeyRow row = keys.remove(keyHash);
    if (row != null) {
      keysOf.computeIfPresent(row.account(), (a, n) -> n == 1 ? null : n - 1);
    }
  }

  /// What is wrong with a record of a request of a provider; null if nothing.
  @Nullable String problem(Address self, Address provider, ExecutionRecord r, boolean signed) {
    Inference i = r.inference().orElse(null);
    if (i == null || !r.pool().equals(self) || !r.provider().equals(provider)) {
      return "it is not a request to a model of this provider in this pool";
    }
    SignedModelOffer offer = offers.get(r.offer());
    ModelRow row = models.get(r.module());
    if (offer == null || !offer.offer().provider().equals(provider)) {
      return "its offer is not known here";
    }
    ModelOffer o = offer.offer();
    if (row == null || !o.model().equals(r.module()) || !row.model.author().equals(i.author())) {
      return "its model is not the one that was offered";
    }
    long most =
        o.price().charge(i.promptTokens(), i.cachedTokens(), i.completionTokens(), i.rows());
    if (r.charge() < 0 || r.charge() > most || (!signed && r.charge() > 0)) {
      return "its charge of " + r.charge() + " microcredits is not what the offer allows";
    }
    if (i.toAuthor() != o.toAuthor(r.charge()) || i.toPool() != o.toPool(r.charge())) {
      return "its charge is not divided as the offer says";
    }
    if (r.charge() > onTab(r.consumer())) {
      return "the consumer's tab does not cover its charge";
    }
    return null;
  }

  /// All listed versions, oldest first.
  List<ModelView> views() {
    List<ModelView> all = new ArrayList<>(models.size());
    for (ModelRow row : models.values()) {
      all.add(row.view());
    }
    return all;
  }

  void write(Out out) throws java.io.IOException {
    out.number(models.size());
    for (ModelRow row : models.values()) {
      EventCodec.writeModel(out, row.model);
      out.hash(row.hash);
      out.text(row.signature);
      out.number(row.publishedUs);
      out.octet(row.withdrawn ? 1 : 0);
      out.flushFull();
    }
    out.number(offers.size());
    for (SignedModelOffer offer : offers.values()) {
      EventCodec.writeModelOffer(out, offer);
      out.flushFull();
    }
    out.number(inForce.size());
    for (var e : inForce.entrySet()) {
      out.address(e.getKey());
      out.number(e.getValue().size());
      for (SignedModelOffer offer : e.getValue()) {
        out.hash(offer.hash());
      }
      out.flushFull();
    }
    out.number(tabs.size());
    for (var e : tabs.entrySet()) {
      out.address(e.getKey());
      out.number(e.getValue().balance);
      out.flushFull();
    }
    out.number(keys.size());
    for (KeyRow row : keys.values()) {
      out.address(row.account());
      out.hash(row.keyHash());
      out.text(row.name());
      out.number(row.madeUs());
      out.flushFull();
    }
  }

  void read(In in) {
    int count = in.count();
    for (int n = 0; n < count; n++) {
      ModelRow row = new ModelRow(EventCodec.readModel(in), in.hash(), in.text(), in.number());
      row.withdrawn = in.flag();
      publish(row);
    }
    count = in.count();
    for (int n = 0; n < count; n++) {
      SignedModelOffer offer = EventCodec.readModelOffer(in);
      offers.put(offer.hash(), offer);
    }
    count = in.count();
    for (int n = 0; n < count; n++) {
      Address provider = in.address();
      int own = in.count();
      List<SignedModelOffer> now = in.list(own);
      for (int k = 0; k < own; k++) {
        SignedModelOffer offer = offers.get(in.hash());
        if (offer == null) {
          throw in.malformed("a model offer is named that does not stand in the snapshot");
        }
        now.add(offer);
      }
      inForce.put(provider, List.copyOf(now));
    }
    count = in.count();
    for (int n = 0; n < count; n++) {
      Account tab = tab(in.address());
      tab.balance = in.number();
    }
    count = in.count();
    for (int n = 0; n < count; n++) {
      addKey(new KeyRow(in.address(), in.hash(), in.text(), in.number()));
    }
  }
}
