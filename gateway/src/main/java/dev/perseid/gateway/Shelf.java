package dev.perseid.gateway;

import dev.perseid.core.Hash;
import dev.perseid.core.Model;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ConcurrentHashMap;
import java.util.function.ToIntBiFunction;

/// The market's catalog, arranged for look-ups. Never changes; made anew when the catalog does.
final class Shelf {
  private final ConcurrentHashMap<Hash, Label> labels = new ConcurrentHashMap<>();
  private final long version;
  private final List<Model> models;
  private final Map<String, List<Model>> byName;
  private final Map<String, Model> byFullName;
  private final Map<Hash, Model> byHash;
  private final Map<Hash, List<Market.Listing>> listings;

  private final ToIntBiFunction<Shelf, Model> permille;

  /// @param permille how much of a model's capacity is in use
  Shelf(Market.Catalog catalog, ToIntBiFunction<Shelf, Model> permille) {
    this.permille = permille;
    version = catalog.version();
    models = List.copyOf(catalog.models());
    listings = catalog.listings();
    byName = new LinkedHashMap<>();
    byFullName = new LinkedHashMap<>();
    byHash = new LinkedHashMap<>();
    for (Model model : models) {
      byName.computeIfAbsent(model.name(), n -> new ArrayList<>()).add(model);
      byFullName.put(model.fullName(), model);
      byHash.put(model.manifest(), model);
    }
  }

  /// A model's name in a request, taken apart.
  ///
  /// @param model which one
  /// @param sort what its suffix asks for
  record Named(Model model, Optional<Wishes.Sort> sort) {}

  /// How much of what can be asked of a model at once is in use, in thousandths.
  int congestion(Model model) {
    return permille.applyAsInt(this, model);
  }

  long version() {
    return version;
  }

  /// How headers name who answers.
  ///
  /// @param provider address
  /// @param model hash of the manifest
  record Label(String provider, String model) {}

  /// The names of an offer, written once.
  Label label(Market.Listing listing) {
    Label known = labels.get(listing.offerHash());
    if (known == null) {
      known =
          new Label(
              listing.offer().provider().toString(), "sha256:" + listing.model().manifest().hex());
      labels.put(listing.offerHash(), known);
    }
    return known;
  }

  /// All models, the newest version of a name last.
  List<Model> models() {
    return models;
  }

  /// All names, each once.
  Collection<String> names() {
    return byName.keySet();
  }

  /// Offers for a model.
  List<Market.Listing> listings(Model model) {
    return listings.getOrDefault(model.manifest(), List.of());
  }

  /// What a request means by `name`, `name:version` or `sha256:<hash>`, each with or without
  /// `:floor` (cheapest) or `:nitro` (fastest). A bare name is its newest version that somebody
  /// serves, or the newest if nobody serves any.
  Optional<Named> find(String name) {
    Optional<Model> whole = exact(name);
    if (whole.isPresent()) {
      return Optional.of(new Named(whole.get(), Optional.empty()));
    }
    int colon = name.lastIndexOf(':');
    if (colon < 0) {
      return Optional.empty();
    }
    Optional<Wishes.Sort> sort =
        switch (name.substring(colon + 1)) {
          case "floor" -> Optional.of(Wishes.Sort.PRICE);
          case "nitro" -> Optional.of(Wishes.Sort.THROUGHPUT);
          default -> Optional.empty();
        };
    return sort.isEmpty()
        ? Optional.empty()
        : exact(name.substring(0, colon)).map(model -> new Named(model, sort));
  }

  private Optional<Model> exact(String name) {
    List<Model> versions = byName.get(name);
    if (versions != null) {
      for (int i = versions.size() - 1; i >= 0; i--) {
        for (Market.Listing listing : listings(versions.get(i))) {
          if (listing.live().reachable()) {
            return Optional.of(versions.get(i));
          }
        }
      }
      return Optional.of(versions.getLast());
    }
    Model model = byFullName.get(name);
    if (model == null && name.startsWith("sha256:") && name.length() == 71) {
      try {
        model = byHash.get(Hash.parse(name));
      } catch (IllegalArgumentException e) {
        return Optional.empty();
      }
    }
    return Optional.ofNullable(model);
  }
}
