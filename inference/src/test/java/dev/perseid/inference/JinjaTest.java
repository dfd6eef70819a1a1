package dev.perseid.inference;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class JinjaTest {
  private static String render(String template) throws TemplateException {
    return new Jinja(template)
        .render(
            new HashMap<>(
                Map.of(
                    "s", "text", "n", 7L, "list", List.of("a", "b", "c"), "map", Map.of("k", 1L))));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "{{ s }};text",
        "{{ n + 1 }} {{ n // 2 }} {{ n % 4 }};8 3 3",
        "{{ 'a' ~ n }};a7",
        "{{ list[0] }}{{ list[-1] }}{{ list[1:] | join('-') }};acb-c",
        "{{ list[::-1] | join }};cba",
        "{% for x in list if x != 'b' %}{{ loop.index }}{{ x }}{% endfor %};1a2c",
        "{% for k, v in map.items() %}{{ k }}={{ v }}{% endfor %};k=1",
        "{% if nothing is defined %}x{% elif n > 5 and not false %}y{% else %}z{% endif %};y",
        "{% set ns = namespace(c=0) %}{% for x in list %}{% set ns.c = ns.c + 1 %}{% endfor %}{{ ns.c }};3",
        "{% macro m(a, b='!') %}{{ a }}{{ b }}{% endmacro %}{{ m('hi') }}{{ m('x', b='?') }};hi!x?",
        "{{ 'yes' if 'a' in list else 'no' }};yes",
        "{{ map | tojson }};{\"k\": 1}",
        "{{ ' x '.strip() | upper }};X",
        "{{ nothing | default('d') }};d",
        "{{ [1, 2] + [3] }};[1, 2, 3]",
        "{%- if true -%}  a  {%- endif -%};a",
        "{# note #}{{ s.startswith('te') }};True",
        "{{ list | length }}{{ s is string }}{{ none is none }};3TrueTrue",
        "{% for x in list %}{% if x == 'b' %}{% break %}{% endif %}{{ x }}{% endfor %};a"
      })
  void templatesAreWritten(String template, String right) throws Exception {
    assertThat(render(template)).isEqualTo(right);
  }

  @Test
  void linesOfBlocksLeaveNothingBehind() throws Exception {
    assertThat(render("a\n  {% if true %}\nb\n  {% endif %}\nc")).isEqualTo("a\nb\nc");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "{% if %}",
        "{{ 'open }}",
        "{% for x in list %}",
        "{% endif %}",
        "{% import 'x' %}",
        "{{ s | nofilter }}",
        "{{ raise_exception('no') }}",
        "{{ range(1000000000) }}",
        "{% set a = 'xxxxxxxx' %}{% for i in range(99) %}{% set a = a + a %}{{ a }}{% endfor %}{{ [1] - [2] }}",
        "{{ nothing.a.b }}",
        "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}"
      })
  void whatIsWrongIsSaid(String template) {
    assertThatThrownBy(() -> render(template)).isInstanceOf(TemplateException.class);
  }

  @Test
  void nestingHasALimit() {
    assertThatThrownBy(() -> render("{{ " + "(".repeat(100_000) + " }}"))
        .isInstanceOf(TemplateException.class);
    assertThatThrownBy(() -> render("{{ " + "not ".repeat(100_000) + "1 }}"))
        .isInstanceOf(TemplateException.class);
  }

  @Test
  void theShippedModelsChatLooksAsItWasTrained() throws Exception {
    GgufTokens tokens = GgufTokens.of(Ear.TINY);
    byte[] body = Ear.chat("Hi", "").getBytes(StandardCharsets.UTF_8);
    StringBuilder shown = new StringBuilder();
    for (int token : tokens.prompts(Api.CHAT, body).getFirst()) {
      shown.append(tokens.tokenizer().shown(token));
    }
    assertThat(shown.toString())
        .isEqualTo("<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n");
  }
}
