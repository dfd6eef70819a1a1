package dev.perseid.cli;

import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.snakeyaml.engine.v2.nodes.MappingNode;
import org.snakeyaml.engine.v2.nodes.Node;
import org.snakeyaml.engine.v2.nodes.NodeTuple;
import org.snakeyaml.engine.v2.nodes.ScalarNode;
import org.snakeyaml.engine.v2.nodes.SequenceNode;
import org.snakeyaml.engine.v2.nodes.Tag;

/// One mapping of a job file: its keys are checked when it is opened, its values when they are
/// asked for.
final class Fields {
  private final String file;
  private final Place place;
  private final Map<String, Node> values = new LinkedHashMap<>();

  private Fields(String file, Place place) {
    this.file = file;
    this.place = place;
  }

  /// Opens a node as a mapping with these keys only.
  ///
  /// @param what what the mapping is, for messages, e.g. `a task`
  static Fields of(String file, Node node, String what, List<String> allowed) throws BadInput {
    Place place = place(file, node);
    if (!(node instanceof MappingNode mapping)) {
      throw place.wrong(
          what + " must be a mapping, not " + describe(node),
          "write keys and values: " + String.join(", ", allowed));
    }
    Fields fields = new Fields(file, place);
    for (NodeTuple pair : mapping.getValue()) {
      Place at = place(file, pair.getKeyNode());
      if (!(pair.getKeyNode() instanceof ScalarNode key)) {
        throw at.wrong("a key must be a word", "choose from: " + String.join(", ", allowed));
      }
      if (!allowed.contains(key.getValue())) {
        throw at.wrong(
            what + " has no key '" + key.getValue() + "'", Nearest.advice(key.getValue(), allowed));
      }
      if (fields.values.put(key.getValue(), pair.getValueNode()) != null) {
        throw at.wrong("'" + key.getValue() + "' is written twice", "keep one of them");
      }
    }
    return fields;
  }

  /// Opens a node as a mapping with any keys, of which only some matter.
  static Fields open(String file, Node node, String what) throws BadInput {
    Place place = place(file, node);
    if (!(node instanceof MappingNode mapping)) {
      throw place.wrong(what + " must be an object, not " + describe(node), "write { ... }");
    }
    Fields fields = new Fields(file, place);
    for (NodeTuple pair : mapping.getValue()) {
      if (pair.getKeyNode() instanceof ScalarNode key) {
        fields.values.put(key.getValue(), pair.getValueNode());
      }
    }
    return fields;
  }

  static Place place(String file, Node node) {
    return node.getStartMark()
        .map(mark -> new Place(file, mark.getLine() + 1, mark.getColumn() + 1))
        .orElse(new Place(file, 1, 1));
  }

  Place place() {
    return place;
  }

  /// Text. A number where text is wanted is refused, so that `007` does not become `7`.
  Optional<Placed<String>> text(String key) throws BadInput {
    Node node = values.get(key);
    return node == null ? Optional.empty() : Optional.of(text(node, "'" + key + "'"));
  }

  /// Text that may be written as a bare whole number.
  Optional<Placed<String>> textOrNumber(String key) throws BadInput {
    Node node = values.get(key);
    if (node instanceof ScalarNode scalar && scalar.getTag().equals(Tag.INT)) {
      return Optional.of(new Placed<>(scalar.getValue(), place(file, node)));
    }
    return text(key);
  }

  /// Text that must be there.
  Placed<String> needText(String key, String what, String example) throws BadInput {
    Optional<Placed<String>> found = text(key);
    if (found.isEmpty()) {
      throw missing(key, what, example);
    }
    return found.get();
  }

  /// A whole number between the limits.
  Optional<Placed<Long>> number(String key, long least, long most) throws BadInput {
    Node node = values.get(key);
    if (node == null) {
      return Optional.empty();
    }
    Place at = place(file, node);
    String range = "write a whole number from " + least + " to " + most;
    if (!(node instanceof ScalarNode scalar) || !scalar.getTag().equals(Tag.INT)) {
      throw at.wrong("'" + key + "' must be a whole number, not " + describe(node), range);
    }
    long value;
    try {
      value = Long.parseLong(scalar.getValue());
    } catch (NumberFormatException e) {
      throw at.wrong("'" + key + "' is out of range: " + scalar.getValue(), range);
    }
    if (value < least || value > most) {
      throw at.wrong("'" + key + "' is out of range: " + value, range);
    }
    return Optional.of(new Placed<>(value, at));
  }

  /// A number that need not be whole.
  Optional<Placed<BigDecimal>> decimal(String key) throws BadInput {
    Node node = values.get(key);
    if (node == null) {
      return Optional.empty();
    }
    Place at = place(file, node);
    if (node instanceof ScalarNode scalar
        && (scalar.getTag().equals(Tag.INT) || scalar.getTag().equals(Tag.FLOAT))) {
      try {
        BigDecimal value = new BigDecimal(scalar.getValue());
        if (value.precision() <= 100 && Math.abs(value.scale()) <= 100) {
          return Optional.of(new Placed<>(value, at));
        }
      } catch (NumberFormatException e) {
        // an infinity or no number at all: said below
      }
    }
    throw at.wrong(
        "'" + key + "' must be a number, not " + describe(node), "write for example 1.5");
  }

  /// A mapping that must be there, with any keys.
  Fields need(String key, String what) throws BadInput {
    Node node = values.get(key);
    if (node == null) {
      throw missing(key, what, "{ ... }");
    }
    return open(file, node, "'" + key + "'");
  }

  /// A list of texts; empty if it is not there.
  List<Placed<String>> texts(String key) throws BadInput {
    List<Placed<String>> all = new ArrayList<>();
    for (Node node : nodes(key, "['a', 'b']")) {
      all.add(text(node, "an element of '" + key + "'"));
    }
    return all;
  }

  /// A list of whole numbers between the limits; empty if it is not there.
  List<Long> numbers(String key, String example, long least, long most) throws BadInput {
    List<Long> all = new ArrayList<>();
    for (Node node : nodes(key, example)) {
      Fields one = new Fields(file, place(file, node));
      one.values.put(key, node);
      all.add(one.number(key, least, most).orElseThrow().value());
    }
    return all;
  }

  /// The elements of a list; empty if it is not there.
  List<Node> nodes(String key, String example) throws BadInput {
    Node node = values.get(key);
    if (node == null) {
      return List.of();
    }
    if (!(node instanceof SequenceNode list)) {
      throw place(file, node)
          .wrong(
              "'" + key + "' must be a list, not " + describe(node),
              "write for example " + key + ": " + example);
    }
    return list.getValue();
  }

  Optional<Node> node(String key) {
    return Optional.ofNullable(values.get(key));
  }

  BadInput missing(String key, String what, String example) {
    return place.wrong(what + " needs '" + key + "'", "add for example " + key + ": " + example);
  }

  private Placed<String> text(Node node, String what) throws BadInput {
    Place at = place(file, node);
    if (!(node instanceof ScalarNode scalar)) {
      throw at.wrong(what + " must be text, not " + describe(node), "write one word or \"a text\"");
    }
    if (!scalar.getTag().equals(Tag.STR)) {
      throw at.wrong(
          what + " must be text, not " + describe(node),
          scalar.getValue().isEmpty()
              ? "write something there"
              : "put it in quotes: \"" + scalar.getValue() + "\"");
    }
    return new Placed<>(scalar.getValue(), at);
  }

  private static String describe(Node node) {
    return switch (node) {
      case MappingNode m -> "a mapping";
      case SequenceNode s -> "a list";
      case ScalarNode s when s.getTag().equals(Tag.NULL) -> "nothing";
      case ScalarNode s when s.getTag().equals(Tag.BOOL) -> s.getValue();
      case ScalarNode s when s.getTag().equals(Tag.STR) -> "the text '" + s.getValue() + "'";
      case ScalarNode s -> "the number " + s.getValue();
      default -> "this";
    };
  }
}
