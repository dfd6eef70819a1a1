package dev.perseid.core;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Set;
import java.util.TreeMap;
import org.jspecify.annotations.Nullable;

/// What the pool knows of models: which there are, who serves them on which terms, and what
/// consumers have set aside to pay for them. Part of the [State], changed by events alone.
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

  /// How many of them are of each provider.
  final TreeMap<Address, Integer> remembered = new TreeMap<>();

  /// What each provider offers now.
  final TreeMap<Address, List<SignedModelOffer>> inForce = new TreeMap<>();

  /// What each consumer set aside.
  final TreeMap<Address, Account> tabs = new TreeMap<>();

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
    for (Address provider : List.copyOf(inForce.keySet())) {
      List<SignedModelOffer> now = inForce.getOrDefault(provider, List.of());
      setInForce(provider, now.stream().filter(o -> !o.offer().model().equals(manifest)).toList());
    }
  }

  void offer(Address provider, List<SignedModelOffer> now) {
    for (SignedModelOffer o : now) {
      // The newest are at the end, whether or not they were there before.
      if (offers.remove(o.hash()) == null) {
        remembered.merge(provider, 1, Integer::sum);
      }
      offers.put(o.hash(), o);
    }
    setInForce(provider, now);
    if (remembered.getOrDefault(provider, 0) > Limits.MODEL_OFFERS_REMEMBERED_OF_ONE) {
      forgetOldOffers(provider);
    }
    if (offers.size() > Limits.MODEL_OFFERS) {
      forgetOldOffers(null);
    }
  }

  private void setInForce(Address provider, List<SignedModelOffer> now) {
    if (now.isEmpty()) {
      inForce.remove(provider);
    } else {
      inForce.put(provider, List.copyOf(now));
    }
  }

  /// How many offers of all but this provider are in force.
  int inForceWithout(Address provider) {
    int sum = 0;
    for (var e : inForce.entrySet()) {
      sum += e.getKey().equals(provider) ? 0 : e.getValue().size();
    }
    return sum;
  }

  /// Forgets the oldest offers that are not in force: of one provider, so that who changes its
  /// offers all the time makes nobody's forgotten but its own, or of all.
  private void forgetOldOffers(@Nullable Address of) {
    Set<Hash> kept = new HashSet<>();
    if (of == null) {
      inForce.values().forEach(now -> now.forEach(o -> kept.add(o.hash())));
    } else {
      inForce.getOrDefault(of, List.of()).forEach(o -> kept.add(o.hash()));
    }
    int drop =
        of == null
            ? offers.size() - Limits.MODEL_OFFERS * 3 / 4
            : remembered.getOrDefault(of, 0) - Limits.MODEL_OFFERS_REMEMBERED_OF_ONE / 2;
    Iterator<SignedModelOffer> oldest = offers.values().iterator();
    while (drop > 0 && oldest.hasNext()) {
      SignedModelOffer o = oldest.next();
      Address provider = o.offer().provider();
      if ((of == null || provider.equals(of)) && !kept.contains(o.hash())) {
        oldest.remove();
        remembered.computeIfPresent(provider, (a, n) -> n == 1 ? null : n - 1);
        drop--;
      }
    }
  }

  Account tab(Address consumer) {
    return tabs.computeIfAbsent(consumer, c -> new Account());
  }

  long onTab(Address consumer) {
    Account tab = tabs.get(consumer);
    return tab == null ? 0 : tab.balance;
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
      remembered.merge(offer.offer().provider(), 1, Integer::sum);
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
  }
}
