package dev.perseid.cli;

import dev.perseid.core.Hash;
import dev.perseid.node.PoolClient;
import dev.perseid.node.PoolFailure;
import dev.perseid.wire.v1.Proto;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;

/// The listed models of a pool, and how a person names one.
final class Models {
  private final List<Proto.ListedModel> all;

  private Models(List<Proto.ListedModel> all) {
    this.all = all;
  }

  static Models of(PoolClient client) throws PoolFailure {
    return new Models(client.catalog().getModelsList());
  }

  /// All of them, oldest first.
  List<Proto.ListedModel> all() {
    return all;
  }

  /// `name:version` of a model.
  static String fullName(Proto.ListedModel listed) {
    return listed.getModel().getName() + ":" + listed.getModel().getVersion();
  }

  /// A model's manifest.
  static Hash manifest(Proto.ListedModel listed) {
    return Hash.of(listed.getModel().getManifest().toByteArray());
  }

  /// Those in whose name, task, format, quantisation or licence every word occurs.
  List<Proto.ListedModel> search(List<String> words) {
    List<Proto.ListedModel> found = new ArrayList<>();
    for (Proto.ListedModel listed : all) {
      Proto.Model m = listed.getModel();
      String text =
          String.join(
                  " ",
                  fullName(listed),
                  m.getTask(),
                  m.getFormat(),
                  m.getQuantisation(),
                  m.getLicence())
              .toLowerCase(Locale.ROOT);
      if (words.stream().allMatch(w -> text.contains(w.toLowerCase(Locale.ROOT)))) {
        found.add(listed);
      }
    }
    return found;
  }

  /// The one that somebody means: `name` (its newest version that is not withdrawn),
  /// `name:version`, or a manifest's first digits.
  Proto.ListedModel one(String name) throws BadInput {
    Proto.ListedModel newest = null;
    List<String> names = new ArrayList<>();
    for (Proto.ListedModel listed : all) {
      String hex = HexFormat.of().formatHex(listed.getModel().getManifest().toByteArray());
      boolean byHash = name.matches("[0-9a-f]{8,64}") && hex.startsWith(name);
      if (fullName(listed).equals(name) || byHash) {
        return listed;
      }
      if (listed.getModel().getName().equals(name)
          && (newest == null || !listed.getWithdrawn() || newest.getWithdrawn())) {
        newest = listed;
      }
      names.add(listed.getModel().getName());
    }
    if (newest == null) {
      throw new BadInput(
          "there is no model '"
              + name
              + "' in this pool"
              + (names.isEmpty() ? "" : "; " + Nearest.advice(name, names)));
    }
    return newest;
  }
}
