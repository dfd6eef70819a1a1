package dev.perseid.inference;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/// Writes the messages of a chat as the text that a model was trained on. Immutable; safe for any
/// thread.
final class ChatTemplate {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final String CHATML =
      "{% for m in messages %}{{ '<|im_start|>' + m['role'] + '\\n' + m['content'] + '<|im_end|>\\n'"
          + " }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif"
          + " %}";
  private static final String LLAMA3 =
      "{{ bos_token }}{% for m in messages %}{{ '<|start_header_id|>' + m['role'] +"
          + " '<|end_header_id|>\\n\\n' + m['content'] | trim + '<|eot_id|>' }}{% endfor %}{% if"
          + " add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n'"
          + " }}{% endif %}";
  private static final String LLAMA2 =
      "{% set ns = namespace(system='') %}{% for m in messages %}{% if m['role'] == 'system' %}{%"
          + " set ns.system = '<<SYS>>\\n' + m['content'] + '\\n<</SYS>>\\n\\n' %}{% elif"
          + " m['role'] == 'assistant' %}{{ ' ' + m['content'] | trim + ' ' + eos_token }}{% else"
          + " %}{{ bos_token + '[INST] ' + ns.system + m['content'] | trim + ' [/INST]' }}{% set"
          + " ns.system = '' %}{% endif %}{% endfor %}";
  private static final String ZEPHYR =
      "{% for m in messages %}{{ '<|' + m['role'] + '|>\\n' + m['content'] + eos_token + '\\n' }}{%"
          + " endfor %}{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}";

  private final Jinja template;
  private final boolean tools;
  private final Tokenizer tokenizer;

  private ChatTemplate(Jinja template, boolean tools, Tokenizer tokenizer) {
    this.template = template;
    this.tools = tools;
    this.tokenizer = tokenizer;
  }

  /// The file's own template; if it has none, or one beyond [Jinja], the known one that it looks
  /// like.
  static ChatTemplate of(Gguf file, Tokenizer tokenizer) throws ModelFileException {
    String own = file.text("tokenizer.chat_template").orElse("");
    if (!own.isBlank()) {
      try {
        return new ChatTemplate(new Jinja(own), own.contains("tools"), tokenizer);
      } catch (TemplateException e) {
        if (known(own, tokenizer).isEmpty()) {
          throw new ModelFileException(
              "The chat template of "
                  + file.path().getFileName()
                  + " cannot be read: "
                  + e.getMessage()
                  + ". Use an OpenAI-compatible server next door as the model's backend.");
        }
      }
    }
    try {
      // A model without any template continues texts; messages are then set apart by lines.
      String text = known(own, tokenizer);
      return new ChatTemplate(
          new Jinja(
              text.isEmpty()
                  ? "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\\n' }}{% endfor"
                      + " %}{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}"
                  : text),
          false,
          tokenizer);
    } catch (TemplateException e) {
      throw new IllegalStateException(e);
    }
  }

  private static String known(String own, Tokenizer tokenizer) {
    if (own.contains("<|im_start|>") || (own.isBlank() && tokenizer.knows("<|im_start|>"))) {
      return CHATML;
    }
    if (own.contains("<|start_header_id|>")
        || (own.isBlank() && tokenizer.knows("<|start_header_id|>"))) {
      return LLAMA3;
    }
    if (own.contains("[INST]")) {
      return LLAMA2;
    }
    if (own.contains("<|user|>")) {
      return ZEPHYR;
    }
    return "";
  }

  /// The prompt's tokens.
  ///
  /// @param call a checked chat request
  int[] prompt(ChatCall call) throws TemplateException {
    List<@Nullable Object> messages = new ArrayList<>();
    for (JsonNode message : call.messages()) {
      messages.add(message(message));
    }
    Map<String, @Nullable Object> names = new LinkedHashMap<>();
    if (!call.tools().isEmpty()) {
      List<@Nullable Object> described = new ArrayList<>();
      for (JsonNode tool : call.tools()) {
        described.add(value(tool));
      }
      if (tools) {
        names.put("tools", described);
      } else {
        describe(messages, described);
      }
    }
    names.put("messages", messages);
    names.put("add_generation_prompt", true);
    names.put("bos_token", tokenizer.bosText());
    names.put("eos_token", tokenizer.eosText());
    String text = template.render(names) + call.forced();
    return tokenizer.encode(text, true, true);
  }

  private Map<String, @Nullable Object> message(JsonNode message) {
    Map<String, @Nullable Object> out = new LinkedHashMap<>();
    for (Map.Entry<String, JsonNode> field : message.properties()) {
      out.put(field.getKey(), value(field.getValue()));
    }
    // OpenAI's newer word; models were trained on the older one.
    if ("developer".equals(out.get("role"))) {
      out.put("role", "system");
    }
    out.put("content", tokenizer.guarded(text(message.path("content"))));
    if (out.get("tool_calls") instanceof List<?> calls) {
      for (Object call : calls) {
        if (call instanceof Map<?, ?> c && c.get("function") instanceof Map<?, ?> f) {
          @SuppressWarnings("unchecked")
          Map<String, @Nullable Object> function = (Map<String, @Nullable Object>) f;
          if (function.get("arguments") instanceof String arguments) {
            try {
              function.put("arguments", value(JSON.readTree(arguments)));
            } catch (JsonProcessingException e) {
              function.put("arguments", arguments);
            }
          }
        }
      }
    } else {
      out.remove("tool_calls");
    }
    return out;
  }

  /// The text of a message's content.
  static String text(JsonNode content) {
    if (content.isTextual()) {
      return content.textValue();
    }
    StringBuilder out = new StringBuilder();
    for (JsonNode part : content) {
      out.append(part.path("text").asText(""));
    }
    return out.toString();
  }

  private static void describe(List<@Nullable Object> messages, List<@Nullable Object> tools) {
    StringBuilder text = new StringBuilder();
    text.append("You may call these tools:\n<tools>\n");
    for (Object tool : tools) {
      text.append(JinjaFilters.json(tool, -1)).append('\n');
    }
    text.append(
        "</tools>\nTo call one, write <tool_call>{\"name\": <its name>, \"arguments\": <a JSON"
            + " object>}</tool_call>");
    if (!messages.isEmpty()
        && messages.get(0) instanceof Map<?, ?> first
        && "system".equals(first.get("role"))) {
      Map<String, @Nullable Object> system = new LinkedHashMap<>();
      system.put("role", "system");
      system.put("content", first.get("content") + "\n\n" + text);
      messages.set(0, system);
    } else {
      Map<String, @Nullable Object> system = new LinkedHashMap<>();
      system.put("role", "system");
      system.put("content", text.toString());
      messages.add(0, system);
    }
  }

  private @Nullable Object value(JsonNode node) {
    if (node.isObject()) {
      Map<String, @Nullable Object> out = new LinkedHashMap<>();
      for (Map.Entry<String, JsonNode> field : node.properties()) {
        out.put(tokenizer.guarded(field.getKey()), value(field.getValue()));
      }
      return out;
    }
    if (node.isArray()) {
      List<@Nullable Object> out = new ArrayList<>();
      for (JsonNode item : node) {
        out.add(value(item));
      }
      return out;
    }
    if (node.isTextual()) {
      return tokenizer.guarded(node.textValue());
    }
    if (node.isBoolean()) {
      return node.booleanValue();
    }
    if (node.isIntegralNumber() && node.canConvertToLong()) {
      return node.longValue();
    }
    return node.isNumber() ? (Object) node.doubleValue() : null;
  }
}
