import type {
  AgentCreateParams,
  AgentUpdateParams,
  BetaManagedAgentsAgent,
} from "@anthropic-ai/sdk/resources/beta/agents";
import type {
  BetaEnvironment,
  BetaEnvironmentDeleteResponse,
  EnvironmentCreateParams,
  EnvironmentUpdateParams,
} from "@anthropic-ai/sdk/resources/beta/environments";
import type {
  BetaSelfHostedWork,
  BetaSelfHostedWorkHeartbeatResponse,
  BetaSelfHostedWorkQueueStats,
  WorkHeartbeatParams,
  WorkPollParams,
  WorkStopParams,
  WorkUpdateParams,
} from "@anthropic-ai/sdk/resources/beta/environments/work";
import type {
  BetaDeletedFile,
  BetaFileMetadata,
  FileListParams,
  FileUploadParams,
} from "@anthropic-ai/sdk/resources/beta/files";
import type {
  BetaManagedAgentsDeletedSession,
  BetaManagedAgentsSession,
  BetaManagedAgentsSessionEvent,
  SessionCreateParams,
  SessionUpdateParams,
} from "@anthropic-ai/sdk/resources/beta/sessions";
import type {
  BetaManagedAgentsDeleteSessionResource,
  BetaManagedAgentsFileResource,
  BetaManagedAgentsSessionResource,
  ResourceAddParams,
  ResourceListParams,
  ResourceUpdateParams,
} from "@anthropic-ai/sdk/resources/beta/sessions/resources";
import type { BetaManagedAgentsSessionThread } from "@anthropic-ai/sdk/resources/beta/sessions/threads";
import type {
  BetaDeletedSkill,
  BetaSkill,
  SkillCreateParams,
  SkillListParams,
} from "@anthropic-ai/sdk/resources/beta/skills/skills";
import type {
  BetaDeletedSkillVersion,
  BetaSkillVersion,
  VersionCreateParams,
} from "@anthropic-ai/sdk/resources/beta/skills/versions";
import type {
  BetaManagedAgentsCredential,
  BetaManagedAgentsCredentialValidation,
  BetaManagedAgentsDeletedCredential,
  CredentialCreateParams,
  CredentialListParams,
  CredentialUpdateParams,
} from "@anthropic-ai/sdk/resources/beta/vaults/credentials";
import type {
  BetaManagedAgentsDeletedVault,
  BetaManagedAgentsVault,
  VaultCreateParams,
  VaultListParams,
  VaultUpdateParams,
} from "@anthropic-ai/sdk/resources/beta/vaults/vaults";
import type { DeletedFile, FileMetadata as PlainFileMetadata } from "@anthropic-ai/sdk/resources/files";
import type { z } from "zod";
import type { Agent, createAgentBody, updateAgentBody } from "./agents.ts";
import type { CredentialValidation } from "./credential-validation.ts";
import type {
  Credential,
  createCredentialBody,
  deletedCredential,
  listCredentialsQuery,
  updateCredentialBody,
} from "./credentials.ts";
import type {
  createEnvironmentBody,
  deletedEnvironment,
  Environment,
  updateEnvironmentBody,
} from "./environments.ts";
import type { SessionEvent, SetupEvent } from "./events.ts";
import type { deletedFile, FileMetadata, listFilesQuery, uploadFields } from "./files.ts";
import type {
  addResourceBody,
  deletedResource,
  FileResource,
  listResourcesQuery,
  SessionResource,
  updateResourceBody,
} from "./session-resources.ts";
import type { createSessionBody, deletedSession, Session, updateSessionBody } from "./sessions.ts";
import type {
  createSkillFields,
  createSkillVersionFields,
  deletedSkill,
  deletedSkillVersion,
  listSkillsQuery,
  Skill,
  SkillVersion,
} from "./skills.ts";
import type { Thread } from "./threads.ts";
import type { createVaultBody, deletedVault, listVaultsQuery, updateVaultBody, Vault } from "./vaults.ts";
import type {
  heartbeatQuery,
  pollWorkQuery,
  stopWorkBody,
  updateWorkBody,
  Work,
  WorkHeartbeat,
  WorkQueueStats,
} from "./work.ts";

/** Checked by the compiler alone: what we answer fits the official SDK's types, and what it sends fits ours. */

type Fits<From extends To, To> = From;
type Body<Params> = Omit<Params, "betas" | "workspace_id">;
/** Left out of the check: what a later version will accept, and what we take in fewer forms. */
type Now<Params, Later extends keyof Params> = Omit<Body<Params>, Later>;
export type Answers = [
  Fits<Agent, BetaManagedAgentsAgent>,
  Fits<Environment, BetaEnvironment>,
  Fits<z.infer<typeof deletedEnvironment>, BetaEnvironmentDeleteResponse>,
  Fits<Session, BetaManagedAgentsSession>,
  Fits<z.infer<typeof deletedSession>, BetaManagedAgentsDeletedSession>,
  Fits<SessionResource, BetaManagedAgentsSessionResource>,
  Fits<FileResource, BetaManagedAgentsFileResource>,
  Fits<z.infer<typeof deletedResource>, BetaManagedAgentsDeleteSessionResource>,
  Fits<Thread, BetaManagedAgentsSessionThread>,
  Fits<FileMetadata, BetaFileMetadata>,
  Fits<FileMetadata, PlainFileMetadata>,
  Fits<z.infer<typeof deletedFile>, BetaDeletedFile>,
  Fits<z.infer<typeof deletedFile>, DeletedFile>,
  Fits<Skill, BetaSkill>,
  Fits<SkillVersion, BetaSkillVersion>,
  Fits<z.infer<typeof deletedSkill>, BetaDeletedSkill>,
  Fits<z.infer<typeof deletedSkillVersion>, BetaDeletedSkillVersion>,
  Fits<Exclude<SessionEvent, SetupEvent>, BetaManagedAgentsSessionEvent>,
  Fits<Work, BetaSelfHostedWork>,
  Fits<WorkHeartbeat, BetaSelfHostedWorkHeartbeatResponse>,
  Fits<WorkQueueStats, BetaSelfHostedWorkQueueStats>,
  Fits<Vault, BetaManagedAgentsVault>,
  Fits<z.infer<typeof deletedVault>, BetaManagedAgentsDeletedVault>,
  Fits<Credential, BetaManagedAgentsCredential>,
  Fits<z.infer<typeof deletedCredential>, BetaManagedAgentsDeletedCredential>,
  Fits<CredentialValidation, BetaManagedAgentsCredentialValidation>,
];

export type Requests = [
  Fits<Body<AgentCreateParams>, z.input<typeof createAgentBody>>,
  Fits<Body<AgentUpdateParams>, z.input<typeof updateAgentBody>>,
  Fits<Body<EnvironmentCreateParams>, z.input<typeof createEnvironmentBody>>,
  Fits<Body<EnvironmentUpdateParams>, z.input<typeof updateEnvironmentBody>>,
  Fits<Now<SessionCreateParams, "initial_events">, z.input<typeof createSessionBody>>,
  Fits<Body<VaultCreateParams>, z.input<typeof createVaultBody>>,
  Fits<Body<VaultUpdateParams>, z.input<typeof updateVaultBody>>,
  Fits<Body<CredentialCreateParams>, z.input<typeof createCredentialBody>>,
  Fits<Omit<Body<CredentialUpdateParams>, "vault_id">, z.input<typeof updateCredentialBody>>,
  Fits<Body<ResourceAddParams>, z.input<typeof addResourceBody>>,
  Fits<Omit<Body<ResourceUpdateParams>, "session_id">, z.input<typeof updateResourceBody>>,
  Fits<Now<SessionUpdateParams, "agent" | "vault_ids">, z.input<typeof updateSessionBody>>,
];

type Place = "environment_id" | "Anthropic-Worker-ID";
type Missing<Params, Ours> = Exclude<keyof Body<Params>, keyof Ours>;

/** Fields the SDK knows and we do not. */
export type Unknown = [
  Fits<Missing<AgentCreateParams, z.input<typeof createAgentBody>>, never>,
  Fits<Missing<AgentUpdateParams, z.input<typeof updateAgentBody>>, never>,
  Fits<Missing<EnvironmentCreateParams, z.input<typeof createEnvironmentBody>>, never>,
  Fits<Missing<EnvironmentUpdateParams, z.input<typeof updateEnvironmentBody>>, never>,
  Fits<Missing<SessionCreateParams, z.input<typeof createSessionBody>>, never>,
  Fits<Missing<SessionUpdateParams, z.input<typeof updateSessionBody>>, never>,
  Fits<Missing<VaultCreateParams, z.input<typeof createVaultBody>>, never>,
  Fits<Missing<VaultUpdateParams, z.input<typeof updateVaultBody>>, never>,
  Fits<Missing<VaultListParams, z.input<typeof listVaultsQuery>>, never>,
  Fits<Missing<CredentialCreateParams, z.input<typeof createCredentialBody>>, never>,
  Fits<Missing<CredentialUpdateParams, z.input<typeof updateCredentialBody>>, "vault_id">,
  Fits<Missing<CredentialListParams, z.input<typeof listCredentialsQuery>>, never>,
  Fits<Missing<ResourceAddParams, z.input<typeof addResourceBody>>, never>,
  Fits<Missing<ResourceUpdateParams, z.input<typeof updateResourceBody>>, "session_id">,
  Fits<Missing<ResourceListParams, z.input<typeof listResourcesQuery>>, never>,
  Fits<Missing<WorkPollParams, z.input<typeof pollWorkQuery>>, Place>,
  Fits<Missing<WorkHeartbeatParams, z.input<typeof heartbeatQuery>>, Place>,
  Fits<Missing<WorkStopParams, NonNullable<z.input<typeof stopWorkBody>>>, Place>,
  Fits<Missing<WorkUpdateParams, z.input<typeof updateWorkBody>>, Place>,
  Fits<Missing<FileListParams, z.input<typeof listFilesQuery>>, never>,
  Fits<Missing<FileUploadParams, z.input<typeof uploadFields>>, "file">,
  Fits<Missing<SkillListParams, z.input<typeof listSkillsQuery>>, never>,
  Fits<Missing<SkillCreateParams, z.input<typeof createSkillFields>>, "files">,
  Fits<Missing<VersionCreateParams, z.input<typeof createSkillVersionFields>>, "files">,
];
