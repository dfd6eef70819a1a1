package dev.perseid.gateway;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.anthropic.client.AnthropicClient;
import com.anthropic.client.okhttp.AnthropicOkHttpClient;
import com.anthropic.helpers.MessageAccumulator;
import com.anthropic.models.messages.Message;
import com.anthropic.models.messages.MessageCountTokensParams;
import com.anthropic.models.messages.MessageCreateParams;
import com.anthropic.models.messages.RawMessageStreamEvent;
import com.anthropic.models.messages.StopReason;
import com.openai.client.OpenAIClient;
import com.openai.client.okhttp.OpenAIOkHttpClient;
import com.openai.core.JsonValue;
import com.openai.errors.BadRequestException;
import com.openai.errors.NotFoundException;
import com.openai.errors.RateLimitException;
import com.openai.errors.UnauthorizedException;
import com.openai.helpers.ChatCompletionAccumulator;
import com.openai.helpers.ResponseAccumulator;
import com.openai.models.FunctionDefinition;
import com.openai.models.FunctionParameters;
import com.openai.models.chat.completions.ChatCompletion;
import com.openai.models.chat.completions.ChatCompletionChunk;
import com.openai.models.chat.completions.ChatCompletionCreateParams;
import com.openai.models.chat.completions.ChatCompletionStreamOptions;
import com.openai.models.completions.CompletionCreateParams;
import com.openai.models.embeddings.EmbeddingCreateParams;
import com.openai.models.responses.FunctionTool;
import com.openai.models.responses.Response;
import com.openai.models.responses.ResponseCreateParams;
import com.openai.models.responses.ResponseStatus;
import com.openai.models.responses.ResponseStreamEvent;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.langchain4j.model.openai.OpenAiChatModel;
import dev.langchain4j.model.openai.OpenAiEmbeddingModel;
import dev.langchain4j.model.openai.OpenAiStreamingChatModel;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/// The official clients for Java against a gateway. `validate()` of OpenAI's and Anthropic's checks
/// that every object has all fields that the API promises, with values that it knows.
class JavaClientsTest {
  private static Gateway gateway;
  private static OpenAIClient openai;
  private static AnthropicClient anthropic;

  @BeforeAll
  static void start() throws Exception {
    gateway = Gateway.start(GatewayConfig.loopback(), new CannedMarket());
    openai = OpenAIOkHttpClient.builder().apiKey("sk-test").baseUrl(gateway.url() + "/v1").build();
    anthropic = AnthropicOkHttpClient.builder().apiKey("sk-test").baseUrl(gateway.url()).build();
  }

  @AfterAll
  static void stop() {
    openai.close();
    anthropic.close();
    gateway.close();
  }

  private static ChatCompletionCreateParams.Builder chat(String model) {
    return ChatCompletionCreateParams.builder().model(model).addUserMessage("hi");
  }

  private static ResponseCreateParams.Builder response(String model) {
    return ResponseCreateParams.builder().model(model).input("hi");
  }

  private static MessageCreateParams.Builder message(String model) {
    return MessageCreateParams.builder().model(model).maxTokens(50).addUserMessage("hi");
  }

  // ---- openai-java ----------------------------------------------------------------------------

  @Test
  void openaiChat() {
    ChatCompletion answer = openai.chat().completions().create(chat("m").build()).validate();
    assertThat(answer.choices().getFirst().message().content()).contains(CannedMarket.HELLO);
    assertThat(answer.usage().orElseThrow().totalTokens()).isEqualTo(17);
  }

  @Test
  void openaiChatStreams() {
    ChatCompletionAccumulator heard = ChatCompletionAccumulator.create();
    ChatCompletionStreamOptions usage =
        ChatCompletionStreamOptions.builder().includeUsage(true).build();
    try (var stream =
        openai.chat().completions().createStreaming(chat("m").streamOptions(usage).build())) {
      stream.stream().map(ChatCompletionChunk::validate).forEach(heard::accumulate);
    }
    ChatCompletion answer = heard.chatCompletion();
    assertThat(answer.choices().getFirst().message().content()).contains(CannedMarket.HELLO);
    assertThat(answer.usage().orElseThrow().totalTokens()).isEqualTo(17);
  }

  @Test
  void openaiChatCallsTools() {
    FunctionDefinition weather =
        FunctionDefinition.builder()
            .name("get_weather")
            .parameters(
                FunctionParameters.builder()
                    .putAdditionalProperty("type", JsonValue.from("object"))
                    .build())
            .build();
    ChatCompletionCreateParams params = chat("m").addFunctionTool(weather).build();
    ChatCompletion whole = openai.chat().completions().create(params).validate();
    ChatCompletionAccumulator heard = ChatCompletionAccumulator.create();
    try (var stream = openai.chat().completions().createStreaming(params)) {
      stream.stream().map(ChatCompletionChunk::validate).forEach(heard::accumulate);
    }
    for (ChatCompletion answer : List.of(whole, heard.chatCompletion())) {
      assertThat(
              answer
                  .choices()
                  .getFirst()
                  .message()
                  .toolCalls()
                  .orElseThrow()
                  .getFirst()
                  .asFunction()
                  .function()
                  .arguments())
          .isEqualTo("{\"city\":\"Paris\"}");
    }
  }

  @Test
  void openaiCompletionsEmbeddingsAndModels() {
    assertThat(
            openai
                .completions()
                .create(CompletionCreateParams.builder().model("m").prompt("x").build())
                .validate()
                .choices()
                .getFirst()
                .text())
        .isEqualTo("Once upon a time");
    assertThat(
            openai
                .embeddings()
                .create(EmbeddingCreateParams.builder().model("e").input("x").build())
                .validate()
                .data()
                .getFirst()
                .embedding())
        .containsExactly(0.5f, -1.25f, 0f);
    assertThat(openai.models().list().autoPager().stream().map(m -> m.validate().id()))
        .contains("m", "e");
  }

  @Test
  void openaiResponses() {
    Response answer = openai.responses().create(response("m").build()).validate();
    assertThat(answer.status()).contains(ResponseStatus.COMPLETED);
    assertThat(answer.usage().orElseThrow().totalTokens()).isEqualTo(17);
    assertThat(answer.output().getFirst().asMessage().content().getFirst().asOutputText().text())
        .isEqualTo(CannedMarket.HELLO);
  }

  @Test
  void openaiResponsesStream() {
    ResponseAccumulator heard = ResponseAccumulator.create();
    try (var stream = openai.responses().createStreaming(response("m").build())) {
      stream.stream().map(ResponseStreamEvent::validate).forEach(heard::accumulate);
    }
    assertThat(heard.response().validate().usage().orElseThrow().totalTokens()).isEqualTo(17);
  }

  @Test
  void openaiResponsesCallTools() {
    FunctionTool weather =
        FunctionTool.builder()
            .name("get_weather")
            .strict(true)
            .parameters(
                FunctionTool.Parameters.builder()
                    .putAdditionalProperty("type", JsonValue.from("object"))
                    .build())
            .build();
    ResponseCreateParams params = response("m").addTool(weather).build();
    Response whole = openai.responses().create(params).validate();
    ResponseAccumulator heard = ResponseAccumulator.create();
    try (var stream = openai.responses().createStreaming(params)) {
      stream.stream().map(ResponseStreamEvent::validate).forEach(heard::accumulate);
    }
    for (Response answer : List.of(whole, heard.response().validate())) {
      assertThat(answer.output().getFirst().asFunctionCall().arguments())
          .isEqualTo("{\"city\":\"Paris\"}");
    }
  }

  @Test
  void openaiErrors() {
    assertThatThrownBy(() -> openai.chat().completions().create(chat("nobody").build()))
        .isInstanceOf(NotFoundException.class);
    assertThatThrownBy(() -> openai.chat().completions().create(chat("refuses").build()))
        .isInstanceOf(BadRequestException.class);
    assertThatThrownBy(() -> openai.chat().completions().create(chat("busy").build()))
        .isInstanceOf(RateLimitException.class);
    OpenAIClient stranger = openai.withOptions(o -> o.apiKey("sk-wrong"));
    assertThatThrownBy(() -> stranger.models().list()).isInstanceOf(UnauthorizedException.class);
  }

  @Test
  void openaiSeesAnErrorInAStream() {
    assertThatThrownBy(
            () -> {
              try (var stream =
                  openai.chat().completions().createStreaming(chat("midstream").build())) {
                stream.stream().forEach(chunk -> {});
              }
            })
        .hasMessageContaining("went away");
    assertThatThrownBy(
            () -> {
              try (var stream = openai.responses().createStreaming(response("midstream").build())) {
                ResponseAccumulator heard = ResponseAccumulator.create();
                stream.stream().map(ResponseStreamEvent::validate).forEach(heard::accumulate);
                Response answer = heard.response().validate();
                assertThat(answer.error()).isEmpty();
              }
            })
        .hasMessageContaining("went away");
  }

  // ---- anthropic-java -------------------------------------------------------------------------

  @Test
  void anthropicMessage() {
    Message answer = anthropic.messages().create(message("m").build()).validate();
    assertThat(answer.content().getFirst().asText().text()).isEqualTo(CannedMarket.HELLO);
    assertThat(answer.stopReason()).contains(StopReason.END_TURN);
    assertThat(answer.usage().inputTokens()).isEqualTo(8);
  }

  @Test
  void anthropicMessageStreams() {
    MessageAccumulator heard = MessageAccumulator.create();
    try (var stream = anthropic.messages().createStreaming(message("m").build())) {
      stream.stream().map(RawMessageStreamEvent::validate).forEach(heard::accumulate);
    }
    Message answer = heard.message().validate();
    assertThat(answer.content().getFirst().asText().text()).isEqualTo(CannedMarket.HELLO);
    assertThat(answer.usage().outputTokens()).isEqualTo(5);
  }

  @Test
  void anthropicCallsTools() {
    com.anthropic.models.messages.Tool weather =
        com.anthropic.models.messages.Tool.builder()
            .name("get_weather")
            .inputSchema(
                com.anthropic.models.messages.Tool.InputSchema.builder()
                    .properties(
                        com.anthropic.models.messages.Tool.InputSchema.Properties.builder().build())
                    .build())
            .build();
    MessageCreateParams params = message("m").addTool(weather).build();
    Message whole = anthropic.messages().create(params).validate();
    MessageAccumulator heard = MessageAccumulator.create();
    try (var stream = anthropic.messages().createStreaming(params)) {
      stream.stream().map(RawMessageStreamEvent::validate).forEach(heard::accumulate);
    }
    for (Message answer : List.of(whole, heard.message().validate())) {
      assertThat(answer.stopReason()).contains(StopReason.TOOL_USE);
      assertThat(answer.content().getFirst().asToolUse()._input().toString()).contains("Paris");
    }
  }

  @Test
  void anthropicCountsTokens() {
    assertThat(
            anthropic
                .messages()
                .countTokens(
                    MessageCountTokensParams.builder().model("m").addUserMessage("hi").build())
                .validate()
                .inputTokens())
        .isPositive();
  }

  @Test
  void anthropicErrors() {
    assertThatThrownBy(() -> anthropic.messages().create(message("nobody").build()))
        .isInstanceOf(com.anthropic.errors.NotFoundException.class);
    assertThatThrownBy(() -> anthropic.messages().create(message("busy").build()))
        .isInstanceOf(com.anthropic.errors.RateLimitException.class);
    assertThatThrownBy(
            () -> {
              try (var stream =
                  anthropic.messages().createStreaming(message("midstream").build())) {
                stream.stream().forEach(event -> {});
              }
            })
        .hasMessageContaining("went away");
  }

  // ---- langchain4j ----------------------------------------------------------------------------

  @Test
  void langchain4jChatAndEmbedding() {
    OpenAiChatModel model =
        OpenAiChatModel.builder()
            .baseUrl(gateway.url() + "/v1")
            .apiKey("sk-test")
            .modelName("m")
            .build();
    assertThat(model.chat("hi")).isEqualTo(CannedMarket.HELLO);
    OpenAiEmbeddingModel embedding =
        OpenAiEmbeddingModel.builder()
            .baseUrl(gateway.url() + "/v1")
            .apiKey("sk-test")
            .modelName("e")
            .build();
    assertThat(embedding.embed("x").content().vector()).containsExactly(0.5f, -1.25f, 0f);
  }

  @Test
  void langchain4jStreams() throws Exception {
    ChatResponse answer = streamed("m").get(20, TimeUnit.SECONDS);
    assertThat(answer.aiMessage().text()).isEqualTo(CannedMarket.HELLO);
    assertThat(answer.tokenUsage().totalTokenCount()).isEqualTo(17);
  }

  @Test
  void langchain4jSeesAnErrorInAStream() {
    assertThatThrownBy(() -> streamed("midstream").get(20, TimeUnit.SECONDS))
        .rootCause()
        .hasMessageContaining("went away");
  }

  private static CompletableFuture<ChatResponse> streamed(String name) {
    OpenAiStreamingChatModel model =
        OpenAiStreamingChatModel.builder()
            .baseUrl(gateway.url() + "/v1")
            .apiKey("sk-test")
            .modelName(name)
            .build();
    CompletableFuture<ChatResponse> answer = new CompletableFuture<>();
    model.chat(
        "hi",
        new StreamingChatResponseHandler() {
          @Override
          public void onPartialResponse(String piece) {}

          @Override
          public void onCompleteResponse(ChatResponse response) {
            answer.complete(response);
          }

          @Override
          public void onError(Throwable error) {
            answer.completeExceptionally(error);
          }
        });
    return answer;
  }
}
