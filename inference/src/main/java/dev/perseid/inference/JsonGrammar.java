package dev.perseid.inference;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/// The texts that a JSON schema allows, as a grammar over bytes that is read one byte at a time:
/// all ways to read the text so far are kept as stacks. Immutable; so are its states.
///
/// Objects come with their properties in the schema's order; `pattern`, `format` and bounds of
/// numbers are not held.
final class JsonGrammar {
  private sealed interface Part {}

  /// One byte out of a set of 256 bits.
  private record Bytes(long a, long b, long c, long d) implements Part {
    boolean has(int v) {
      long word = v < 64 ? a : v < 128 ? b : v < 192 ? c : d;
      return (word >>> (v & 63) & 1) != 0;
    }
  }

  /// Any of some sequences. An identity, not a value: rules may contain themselves.
  private static final class Rule implements Part {
    final List<List<Part>> ways = new ArrayList<>();
  }

  /// What is yet to be read: the rest of a sequence, and then what is below it. Frames are shared,
  /// so that equal rests are the same object.
  private static final class Frame {
    final List<Part> parts;
    final int at;
    final @Nullable Frame below;

    Frame(List<Part> parts, int at, @Nullable Frame below) {
      this.parts = parts;
      this.at = at;
      this.below = below;
    }
  }

  /// What may come next.
  final class State {
    private final List<Frame> stacks;
    private final boolean complete;

    private State(List<Frame> stacks, boolean complete) {
      this.stacks = stacks;
      this.complete = complete;
    }

    /// Whether the text may end here.
    boolean complete() {
      return complete;
    }

    /// Whether the text has to end here.
    boolean over() {
      return stacks.isEmpty();
    }

    /// Whether a byte may come.
    boolean allows(byte value) {
      for (Frame frame : stacks) {
        if (((Bytes) frame.parts.get(frame.at)).has(value & 0xff)) {
          return true;
        }
      }
      return false;
    }

    /// The state after some bytes, or null if they may not come.
    @Nullable State after(byte[] bytes) {
      State state = this;
      for (byte b : bytes) {
        state = state.after(b);
        if (state == null) {
          return null;
        }
      }
      return state;
    }

    private @Nullable State after(byte value) {
      List<@Nullable Frame> next = new ArrayList<>();
      for (Frame frame : stacks) {
        if (((Bytes) frame.parts.get(frame.at)).has(value & 0xff)) {
          next.add(pop(frame));
        }
      }
      return next.isEmpty() ? null : settle(next);
    }
  }

  private record Place(List<Part> parts, int at) {}

  private final State start;
  private int rules;

  private JsonGrammar(JsonNode schema) throws InvalidCall {
    Words words = new Words();
    Rule root = words.schema(schema, schema, 0);
    start = settle(new ArrayList<>(List.of(new Frame(List.of(root), 0, null))));
  }

  /// Any object.
  static JsonGrammar anyObject() throws InvalidCall {
    return new JsonGrammar(JsonNodeFactory.instance.objectNode().put("type", "object"));
  }

  /// What a schema describes.
  static JsonGrammar ofSchema(JsonNode schema) throws InvalidCall {
    return new JsonGrammar(schema);
  }

  /// A call of one of some tools: an object with `name` and `arguments`.
  static JsonGrammar ofTools(List<JsonNode> tools) throws InvalidCall {
    ObjectNode any = JsonNodeFactory.instance.objectNode();
    for (JsonNode tool : tools) {
      JsonNode function = tool.path("function");
      ObjectNode one = any.withArray("anyOf").addObject();
      one.put("type", "object");
      ObjectNode properties = one.putObject("properties");
      properties.putObject("name").set("const", function.get("name"));
      JsonNode parameters = function.path("parameters");
      properties.set(
          "arguments",
          parameters.isObject()
              ? parameters
              : JsonNodeFactory.instance.objectNode().put("type", "object"));
      one.putArray("required").add("name").add("arguments");
      one.put("additionalProperties", false);
    }
    return new JsonGrammar(any);
  }

  State start() {
    return start;
  }

  private static @Nullable Frame pop(Frame frame) {
    if (frame.at + 1 < frame.parts.size()) {
      return new Frame(frame.parts, frame.at + 1, frame.below);
    }
    return frame.below;
  }

  /// Opens rules until every stack has bytes on top.
  private State settle(List<@Nullable Frame> open) {
    List<Frame> out = new ArrayList<>();
    boolean complete = false;
    Map<Place, List<@Nullable Frame>> seen = new HashMap<>();
    while (!open.isEmpty() && out.size() < EngineLimits.MOST_GRAMMAR_STACKS) {
      Frame frame = open.removeLast();
      if (frame == null) {
        complete = true;
        continue;
      }
      List<@Nullable Frame> belows =
          seen.computeIfAbsent(new Place(frame.parts, frame.at), k -> new ArrayList<>());
      boolean known = false;
      for (Frame below : belows) {
        known |= same(below, frame.below);
      }
      if (known) {
        continue;
      }
      belows.add(frame.below);
      switch (frame.parts.get(frame.at)) {
        case Bytes bytes -> out.add(frame);
        case Rule rule -> {
          Frame rest = pop(frame);
          for (List<Part> way : rule.ways) {
            open.add(way.isEmpty() ? rest : new Frame(way, 0, rest));
          }
        }
      }
    }
    return new State(out, complete);
  }

  // Sequences of a grammar are one object each; to compare them part by part would only be slower.
  @SuppressWarnings("ReferenceEquality")
  private static boolean same(@Nullable Frame a, @Nullable Frame b) {
    Frame x = a;
    Frame y = b;
    while (x != y) {
      if (x == null || y == null || x.parts != y.parts || x.at != y.at) {
        return false;
      }
      x = x.below;
      y = y.below;
    }
    return true;
  }

  /// Makes rules.
  private final class Words {
    private final Part digit = range('0', '9');
    private final Part hex = either(range('0', '9'), range('a', 'f'), range('A', 'F'));
    private final Rule blank = blanks();
    private final Rule sign = sign();
    private final Rule string = rule(List.of(list(one('"'), star(sign), one('"'))));
    private final Rule integer =
        rule(
            List.of(
                list(
                    maybe(one('-')),
                    rule(List.of(list(one('0')), list(range('1', '9'), upTo(digit, 15)))))));
    private final Rule number =
        rule(
            List.of(
                list(
                    integer,
                    maybe(list(one('.'), digit, upTo(digit, 15))),
                    maybe(
                        list(
                            either(one('e'), one('E')),
                            maybe(either(one('+'), one('-'))),
                            digit,
                            upTo(digit, 1))))));
    private final Rule bool = rule(List.of(text("true"), text("false")));
    private final Rule nothing = rule(List.of(text("null")));
    private final Rule value = new Rule();
    private final Rule object = new Rule();
    private final Rule array = new Rule();
    private final Map<String, Rule> named = new HashMap<>();

    Words() {
      Part member = rule(List.of(list(string, blank, one(':'), blank, value)));
      fill(object, '{', member, '}');
      fill(array, '[', value, ']');
      for (Rule one : List.of(object, array, string, number, bool, nothing)) {
        value.ways.add(List.of(one));
      }
    }

    private void fill(Rule to, char open, Part item, char close) {
      to.ways.add(list(one(open), blank, one(close)));
      to.ways.add(
          list(
              one(open),
              blank,
              item,
              star(rule(List.of(list(blank, one(','), blank, item)))),
              blank,
              one(close)));
    }

    private Rule blanks() {
      // More would let a model that has lost its way write blanks for ever.
      return rule(
          List.of(
              List.of(),
              list(one(' ')),
              list(one('\n'), upTo(one(' '), EngineLimits.MOST_JSON_BLANKS))));
    }

    private Rule sign() {
      Part follow = range(0x80, 0xbf);
      Part escape = rule(List.of(list(bytes("\"\\/bfnrt")), list(one('u'), hex, hex, hex, hex)));
      return rule(
          List.of(
              list(plain()),
              list(one('\\'), escape),
              list(range(0xc2, 0xdf), follow),
              list(range(0xe0, 0xe0), range(0xa0, 0xbf), follow),
              list(range(0xe1, 0xec), follow, follow),
              list(range(0xed, 0xed), range(0x80, 0x9f), follow),
              list(range(0xee, 0xef), follow, follow),
              list(range(0xf0, 0xf0), range(0x90, 0xbf), follow, follow),
              list(range(0xf1, 0xf3), follow, follow, follow),
              list(range(0xf4, 0xf4), range(0x80, 0x8f), follow, follow)));
    }

    private Bytes plain() {
      Bytes all = range(32, 127);
      return new Bytes(all.a & ~(1L << '"'), all.b & ~(1L << ('\\' - 64)), 0, 0);
    }

    private Bytes range(int from, int to) {
      long[] bits = new long[4];
      for (int i = from; i <= to; i++) {
        bits[i >> 6] |= 1L << (i & 63);
      }
      return new Bytes(bits[0], bits[1], bits[2], bits[3]);
    }

    private Bytes bytes(String signs) {
      long[] bits = new long[4];
      for (byte b : signs.getBytes(StandardCharsets.UTF_8)) {
        bits[(b & 0xff) >> 6] |= 1L << (b & 63);
      }
      return new Bytes(bits[0], bits[1], bits[2], bits[3]);
    }

    private Bytes one(char c) {
      return range(c, c);
    }

    private List<Part> text(String text) {
      List<Part> out = new ArrayList<>();
      for (byte b : text.getBytes(StandardCharsets.UTF_8)) {
        out.add(range(b & 0xff, b & 0xff));
      }
      return out;
    }

    private List<Part> list(Part... parts) {
      return List.of(parts);
    }

    private Rule rule(List<List<Part>> ways) {
      rules++;
      Rule rule = new Rule();
      rule.ways.addAll(ways);
      return rule;
    }

    private Rule either(Part... parts) {
      Rule rule = rule(List.of());
      for (Part part : parts) {
        rule.ways.add(List.of(part));
      }
      return rule;
    }

    private Rule maybe(Part part) {
      return rule(List.of(List.of(), List.of(part)));
    }

    private Rule maybe(List<Part> parts) {
      return rule(List.of(List.of(), parts));
    }

    private Rule star(Part part) {
      Rule rule = rule(List.of(List.of()));
      rule.ways.add(List.of(part, rule));
      return rule;
    }

    /// At most so many.
    private Rule upTo(Part part, int most) {
      Rule rule = rule(List.of(List.of()));
      for (int i = 0; i < most; i++) {
        Rule inner = rule;
        rule = rule(List.of(List.of(), List.of(part, inner)));
      }
      return rule;
    }

    private Rule counted(Part part, int least, int most, boolean open) {
      List<Part> parts = new ArrayList<>();
      for (int i = 0; i < least; i++) {
        parts.add(part);
      }
      parts.add(open ? star(part) : upTo(part, most - least));
      return rule(List.of(parts));
    }

    private Rule schema(JsonNode root, JsonNode schema, int depth) throws InvalidCall {
      if (depth > EngineLimits.MOST_SCHEMA_DEPTH || rules > EngineLimits.MOST_GRAMMAR_RULES) {
        throw wrong("is too deep or too large");
      }
      if (schema.isBoolean() && schema.booleanValue()) {
        return value;
      }
      if (!schema.isObject()) {
        throw wrong("has something that is no schema");
      }
      if (schema.has("$ref")) {
        String ref = schema.get("$ref").asText("");
        Rule known = named.get(ref);
        if (known != null) {
          return known;
        }
        JsonNode to = ref.equals("#") ? root : ref.startsWith("#/") ? at(root, ref) : null;
        if (to == null || to.isMissingNode()) {
          throw wrong("refers to " + ref + ", which is not in it");
        }
        Rule rule = rule(List.of());
        named.put(ref, rule);
        rule.ways.add(List.of(schema(root, to, depth + 1)));
        if (rule.ways.getFirst().getFirst() == rule) {
          throw wrong("has " + ref + ", which is nothing but itself");
        }
        return rule;
      }
      if (schema.has("const")) {
        return rule(List.of(text(schema.get("const").toString())));
      }
      if (schema.path("enum").isArray()) {
        Rule rule = rule(List.of());
        for (JsonNode one : schema.get("enum")) {
          rule.ways.add(text(one.toString()));
        }
        if (rule.ways.isEmpty()) {
          throw wrong("has an empty enum");
        }
        return rule;
      }
      for (String word : List.of("anyOf", "oneOf", "allOf")) {
        JsonNode some = schema.path(word);
        if (some.isArray() && !some.isEmpty()) {
          if (word.equals("allOf") && some.size() > 1) {
            throw wrong("has allOf with more than one schema, which is not supported");
          }
          Rule rule = rule(List.of());
          for (JsonNode one : some) {
            rule.ways.add(List.of(schema(root, one, depth + 1)));
          }
          return rule;
        }
      }
      JsonNode type = schema.path("type");
      if (type.isArray() && !type.isEmpty()) {
        Rule rule = rule(List.of());
        for (JsonNode one : type) {
          rule.ways.add(List.of(typed(root, schema, one.asText(""), depth)));
        }
        return rule;
      }
      String word = type.asText("");
      if (word.isEmpty()) {
        word = schema.has("properties") ? "object" : schema.has("items") ? "array" : "";
      }
      return word.isEmpty() ? value : typed(root, schema, word, depth);
    }

    private JsonNode at(JsonNode root, String ref) throws InvalidCall {
      try {
        return root.at(ref.substring(1));
      } catch (IllegalArgumentException e) {
        throw wrong("refers to " + ref + ", which is not in it");
      }
    }

    private Rule typed(JsonNode root, JsonNode schema, String type, int depth) throws InvalidCall {
      return switch (type) {
        case "string" -> string(schema);
        case "integer" -> integer;
        case "number" -> number;
        case "boolean" -> bool;
        case "null" -> nothing;
        case "array" -> array(root, schema, depth);
        case "object" -> object(root, schema, depth);
        default -> throw wrong("has the unknown type '" + type + "'");
      };
    }

    private Rule string(JsonNode schema) throws InvalidCall {
      if (!schema.has("minLength") && !schema.has("maxLength")) {
        return string;
      }
      int least = count(schema, "minLength", 0);
      int most = count(schema, "maxLength", least);
      return rule(
          List.of(list(one('"'), counted(sign, least, most, !schema.has("maxLength")), one('"'))));
    }

    private int count(JsonNode schema, String name, int otherwise) throws InvalidCall {
      int n = schema.path(name).asInt(otherwise);
      if (n < 0 || n > EngineLimits.MOST_COUNTED || (name.startsWith("max") && n < otherwise)) {
        throw wrong("has a " + name + " beyond 0 to " + EngineLimits.MOST_COUNTED);
      }
      return n;
    }

    private Rule array(JsonNode root, JsonNode schema, int depth) throws InvalidCall {
      int least = count(schema, "minItems", 0);
      int most = count(schema, "maxItems", least);
      boolean open = !schema.has("maxItems");
      Rule item = schema.has("items") ? schema(root, schema.get("items"), depth + 1) : value;
      Rule rule = rule(List.of());
      if (least == 0) {
        rule.ways.add(list(one('['), blank, one(']')));
      }
      if (open || most > 0) {
        Rule more = rule(List.of(list(blank, one(','), blank, item)));
        rule.ways.add(
            list(
                one('['),
                blank,
                item,
                counted(more, Math.max(0, least - 1), Math.max(0, most - 1), open),
                blank,
                one(']')));
      }
      return rule;
    }

    private Rule object(JsonNode root, JsonNode schema, int depth) throws InvalidCall {
      JsonNode properties = schema.path("properties");
      if (properties.isEmpty()) {
        return schema.path("additionalProperties").isBoolean()
                && !schema.path("additionalProperties").booleanValue()
            ? rule(List.of(list(one('{'), blank, one('}'))))
            : object;
      }
      Set<String> required = new LinkedHashSet<>();
      schema.path("required").forEach(name -> required.add(name.asText("")));
      // From the last property to the first: what may follow when something stands before it
      // already, and when nothing does.
      Rule after = rule(List.of(List.of()));
      Rule first = rule(List.of(List.of()));
      List<Map.Entry<String, JsonNode>> all = new ArrayList<>(properties.properties());
      for (Map.Entry<String, JsonNode> property : all.reversed()) {
        List<Part> member =
            new ArrayList<>(text(JsonNodeFactory.instance.textNode(property.getKey()).toString()));
        member.addAll(list(blank, one(':'), blank, schema(root, property.getValue(), depth + 1)));
        Rule one = rule(List.of(member));
        boolean must = required.contains(property.getKey());
        Rule nextAfter = rule(List.of(list(blank, one(','), blank, one, after)));
        Rule nextFirst = rule(List.of(list(one, after)));
        if (!must) {
          nextAfter.ways.add(List.of(after));
          nextFirst.ways.add(List.of(first));
        }
        after = nextAfter;
        first = nextFirst;
      }
      return rule(List.of(list(one('{'), blank, first, blank, one('}'))));
    }

    private InvalidCall wrong(String what) {
      return new InvalidCall("response_format", "The JSON schema " + what + ".");
    }
  }
}
