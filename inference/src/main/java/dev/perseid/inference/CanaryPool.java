package dev.perseid.inference;

import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// Natural prompts to send where no answer of a consumer can be read again. Each is a template
/// filled with words and numbers by an unpredictable draw, so that the same prompt hardly comes
/// twice. A template names words as `{city}` and numbers as `{10-99}`.
///
/// A provider that sees much traffic can come to know the templates: operators add their own, and
/// reading consumers' answers again stays the better audit.
public final class CanaryPool {
  private static final Pattern SLOT = Pattern.compile("\\{([a-z]+|[0-9]{1,9}-[0-9]{1,9})}");

  private final List<String> templates;
  private final Map<String, List<String>> words;

  /// @param templates at least one
  /// @param words what each name in them stands for
  /// @throws IllegalArgumentException if a template names words that there are not, or is too long
  public CanaryPool(List<String> templates, Map<String, List<String>> words) {
    if (templates.isEmpty()) {
      throw new IllegalArgumentException("a pool of canaries has at least one template");
    }
    for (String template : templates) {
      if (template.length() > AuditLimits.TEMPLATE_CHARS) {
        throw new IllegalArgumentException(
            "a canary's template has at most " + AuditLimits.TEMPLATE_CHARS + " characters");
      }
      Matcher slot = SLOT.matcher(template);
      while (slot.find()) {
        String name = slot.group(1);
        if (Character.isLetter(name.charAt(0)) && words.getOrDefault(name, List.of()).isEmpty()) {
          throw new IllegalArgumentException(
              "the canary '" + template + "' names {" + name + "}: give words for it");
        }
      }
    }
    this.templates = List.copyOf(templates);
    this.words = Map.copyOf(words);
  }

  /// Everyday questions in English.
  public static CanaryPool everyday() {
    return new CanaryPool(
        List.of(
            "What is {10-99} + {10-99}?",
            "{please} add {10-99} and {10-99}.",
            "Count from {2-20} to {21-40}.",
            "Which day comes after {day}?",
            "{please} tell me a story about a {animal} and a {animal}.",
            "What does the {animal} say?",
            "Write JSON for {name}, age {18-80}, city {city}.",
            "How far is it from {city} to {city}, roughly?",
            "{name} has {3-30} apples and gives {1-3} to {name}. How many are left?",
            "Repeat these words: {animal}, {day}, {city}.",
            "{please} write a short note to {name} that we meet on {day} at {1-12} o'clock.",
            "Give me {2-5} names for a {animal}."),
        Map.of(
            "please",
            List.of("Please", "Could you", "Can you", "I'd like you to", "Would you"),
            "day",
            List.of("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
            "animal",
            List.of("cow", "dog", "cat", "owl", "fox", "duck", "horse", "hen", "goat", "mouse"),
            "name",
            List.of("Mia", "Eva", "Tom", "Ben", "Anna", "Paul", "Lena", "Max", "Ida", "Leo"),
            "city",
            List.of("Rome", "Oslo", "Paris", "Vienna", "Prague", "Lisbon", "Dublin", "Bern")));
  }

  /// The prompt of this name; the same for the same secret and name.
  ///
  /// @param name the id that the canary's request will have
  public String prompt(AuditDraw draw, String name) {
    String template = templates.get((int) (draw.number("template", name) % templates.size()));
    StringBuilder text = new StringBuilder();
    Matcher slot = SLOT.matcher(template);
    for (int i = 0; slot.find(); i++) {
      slot.appendReplacement(
          text, Matcher.quoteReplacement(fill(slot.group(1), draw.number("slot " + i, name))));
    }
    return slot.appendTail(text).toString();
  }

  private String fill(String slot, long drawn) {
    if (Character.isLetter(slot.charAt(0))) {
      List<String> choices = words.getOrDefault(slot, List.of(""));
      return choices.get((int) (drawn % choices.size()));
    }
    int dash = slot.indexOf('-');
    long from = Long.parseLong(slot.substring(0, dash));
    long to = Long.parseLong(slot.substring(dash + 1));
    return Long.toString(from + drawn % Math.max(1, to - from + 1));
  }
}
