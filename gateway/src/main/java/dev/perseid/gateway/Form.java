package dev.perseid.gateway;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/// A JSON object of a client, read field by field. What is wrong with a field is told with its
/// place (`messages[2].content`). A field that is null is not there.
final class Form {
  private final ObjectNode node;
  private final String path;

  private Form(ObjectNode node, String path) {
    this.node = node;
    this.path = path;
  }

  /// The whole body.
  static Form of(ObjectNode body) {
    return new Form(body, "");
  }

  /// An element that must be an object.
  static Form at(JsonNode node, String place) throws Problem {
    if (node instanceof ObjectNode object) {
      return new Form(object, place);
    }
    throw Problem.invalid(place, "'" + place + "' must be an object.");
  }

  /// Where a field stands, for messages.
  String place(String name) {
    return path.isEmpty() ? name : path + "." + name;
  }

  /// Where this object stands.
  String place() {
    return path;
  }

  /// The tree, to be read only.
  ObjectNode node() {
    return node;
  }

  boolean has(String name) {
    return node.hasNonNull(name);
  }

  /// The field, if it is there.
  Optional<JsonNode> any(String name) {
    return Optional.ofNullable(node.get(name)).filter(value -> !value.isNull());
  }

  Optional<String> text(String name) throws Problem {
    Optional<JsonNode> value = any(name);
    if (value.isPresent() && !value.get().isTextual()) {
      throw wrong(name, "must be a string");
    }
    return value.map(JsonNode::textValue);
  }

  String needText(String name) throws Problem {
    Optional<String> text = text(name);
    if (text.isEmpty()) {
      throw wrong(name, "is missing: it must be a string");
    }
    return text.get();
  }

  /// A string that must not be empty.
  String needName(String name) throws Problem {
    String text = needText(name);
    if (text.isBlank()) {
      throw wrong(name, "must not be empty");
    }
    return text;
  }

  OptionalLong whole(String name, long least, long most) throws Problem {
    Optional<JsonNode> value = any(name);
    if (value.isEmpty()) {
      return OptionalLong.empty();
    }
    JsonNode number = value.get();
    boolean isWhole =
        number.isNumber()
            && number.canConvertToExactIntegral()
            && number.canConvertToLong()
            && number.longValue() >= least
            && number.longValue() <= most;
    if (!isWhole) {
      throw wrong(name, "must be a whole number from " + least + " to " + most);
    }
    return OptionalLong.of(number.longValue());
  }

  /// A number, as it was written.
  Optional<JsonNode> number(String name, double least, double most) throws Problem {
    Optional<JsonNode> value = any(name);
    if (value.isPresent()
        && !(value.get().isNumber()
            && value.get().doubleValue() >= least
            && value.get().doubleValue() <= most)) {
      throw wrong(name, "must be a number from " + shown(least) + " to " + shown(most));
    }
    return value;
  }

  private static String shown(double number) {
    return number == Math.rint(number) ? Long.toString((long) number) : Double.toString(number);
  }

  boolean flag(String name, boolean otherwise) throws Problem {
    Optional<JsonNode> value = any(name);
    if (value.isPresent() && !value.get().isBoolean()) {
      throw wrong(name, "must be true or false");
    }
    return value.isPresent() ? value.get().booleanValue() : otherwise;
  }

  Optional<Form> form(String name) throws Problem {
    Optional<JsonNode> value = any(name);
    return value.isEmpty() ? Optional.empty() : Optional.of(at(value.get(), place(name)));
  }

  /// A list's elements; none if it is not there.
  List<JsonNode> list(String name, int most) throws Problem {
    Optional<JsonNode> value = any(name);
    return value.isEmpty() ? List.of() : elements(value.get(), place(name), most);
  }

  /// A list's elements, which must be objects.
  List<Form> forms(String name, int most) throws Problem {
    List<Form> out = new ArrayList<>();
    for (JsonNode element : list(name, most)) {
      out.add(at(element, place(name) + "[" + out.size() + "]"));
    }
    return out;
  }

  /// A list's elements, which must be strings.
  List<String> texts(String name, int most) throws Problem {
    List<String> out = new ArrayList<>();
    for (JsonNode element : list(name, most)) {
      if (!element.isTextual()) {
        throw Problem.invalid(
            place(name), "'" + place(name) + "[" + out.size() + "]' must be a string.");
      }
      out.add(element.textValue());
    }
    return out;
  }

  /// Elements of something that must be a list.
  static List<JsonNode> elements(JsonNode value, String place, int most) throws Problem {
    if (!value.isArray()) {
      throw Problem.invalid(place, "'" + place + "' must be a list.");
    }
    if (value.size() > most) {
      throw Problem.invalid(
          place,
          "'" + place + "' has " + value.size() + " elements; at most " + most + " are taken.");
    }
    List<JsonNode> out = new ArrayList<>(value.size());
    value.forEach(out::add);
    return out;
  }

  /// A field with which a request is refused if it is there.
  void refuse(String name, String why) throws Problem {
    if (has(name)) {
      throw Problem.invalid(place(name), "'" + place(name) + "' is not offered here: " + why);
    }
  }

  /// What is wrong with a field.
  Problem wrong(String name, String what) {
    return Problem.invalid(place(name), "'" + place(name) + "' " + what + ".");
  }
}
