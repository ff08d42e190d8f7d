import type { CredentialValidation } from "../../../../src/protocol/credential-validation.ts";
import { visible } from "../../format/text.ts";
import { Notice } from "../../ui/notice.tsx";
import { Preformatted } from "../../ui/scroll.tsx";

const words: Record<CredentialValidation["status"], string> = {
  valid: "It works: the MCP server takes it.",
  invalid: "It does not work: it is refused.",
  unknown: "Nobody can say whether it works.",
};

/** What an MCP server and a token endpoint have said. */
export function Validation({ validation }: { validation: CredentialValidation }) {
  const { status, refresh, mcp_probe } = validation;
  const answers = [
    ["Token endpoint", refresh?.http_response],
    [`MCP server, asked ${mcp_probe?.method ?? ""}`, mcp_probe?.http_response],
  ] as const;
  return (
    <Notice tone={status === "valid" ? "plain" : "warn"}>
      <p>
        {words[status]}
        {refresh && status === "valid" && " It was renewed for that."}
        {refresh?.status === "no_refresh_token" && " There is no refresh token."}
        {refresh?.status === "connect_error" && " The token endpoint could not be reached."}
        {mcp_probe && mcp_probe.http_response === null && " The MCP server could not be reached."}
      </p>
      {answers.map(
        ([who, answer]) =>
          answer && (
            <details key={who} className="mt-1">
              <summary>
                {who}: {answer.status_code} {visible(answer.content_type)}
              </summary>
              <Preformatted className="mt-1 max-h-48 overflow-auto whitespace-pre-wrap break-words font-mono text-xs">
                {visible(answer.body)}
                {answer.body_truncated && "…"}
              </Preformatted>
            </details>
          ),
      )}
    </Notice>
  );
}
