{{- define "etld.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "etld.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "etld.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "etld.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "etld.selector" -}}
app.kubernetes.io/name: {{ include "etld.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "etld.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{ include "etld.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- define "etld.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "etld.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{/* Everything below /etc/etld: path to text, as JSON. */}}
{{- define "etld.files" -}}
{{- $files := dict -}}
{{- if .Values.config -}}
{{- $_ := set $files "etld.toml" .Values.config -}}
{{- range $name, $text := .Values.schemas -}}{{- $_ := set $files (printf "schemas/%s" $name) $text -}}{{- end -}}
{{- else -}}
{{- $_ := set $files "etld.toml" (.Files.Get "files/etld.toml") -}}
{{- range $path, $_ := .Files.Glob "files/schemas/*" -}}
{{- $_ := set $files (printf "schemas/%s" (base $path)) ($.Files.Get $path) -}}
{{- end -}}
{{- range $name, $text := .Values.schemas -}}{{- $_ := set $files (printf "schemas/%s" $name) $text -}}{{- end -}}
{{- end -}}
{{- range $name, $text := .Values.rules -}}{{- $_ := set $files (printf "rules/%s" $name) $text -}}{{- end -}}
{{- toJson $files -}}
{{- end -}}

{{/* What is alike in the pods of ingest and of the workers. */}}
{{- define "etld.podHead" -}}
serviceAccountName: {{ include "etld.serviceAccount" . }}
automountServiceAccountToken: false
# Else a Service called etld-ingest becomes ETLD_INGEST_PORT, which is nearly a key of the configuration.
enableServiceLinks: false
terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
securityContext: {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- end -}}

{{- define "etld.container" -}}
name: etld
image: "{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"
imagePullPolicy: {{ .Values.image.pullPolicy }}
args: [etld, start, --foreground]
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: { drop: [ALL] }
{{- end -}}

{{- define "etld.environment" -}}
- name: ETLD_NODE_ID
  valueFrom: { fieldRef: { fieldPath: metadata.name } }
- { name: ETLD_CONFIG, value: /etc/etld/etld.toml }
- { name: ETLD_STATE_DIR, value: /var/lib/etld }
- { name: ETLD_CHARTS__DIR, value: /var/lib/etld/event_summary_charts }
- { name: ETLD_LOG__TARGET, value: stderr }
- { name: ETLD_INGEST__HOST, value: 0.0.0.0 }
- { name: ETLD_INGEST__PORT, value: {{ .Values.ingest.port | quote }} }
- { name: ETLD_CONSOLE__HOST, value: {{ ternary "0.0.0.0" "127.0.0.1" .Values.console.expose }} }
- { name: ETLD_CONSOLE__PORT, value: {{ .Values.console.port | quote }} }
{{- with .Values.env }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "etld.mounts" -}}
- { name: config, mountPath: /etc/etld, readOnly: true }
- { name: secrets, mountPath: /var/run/secrets/etld, readOnly: true }
- { name: state, mountPath: /var/lib/etld }
- { name: tmp, mountPath: /tmp }
{{- with .Values.extraVolumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "etld.volumes" -}}
- name: config
  configMap:
    name: {{ include "etld.fullname" . }}
    items:
      {{- range $path, $_ := include "etld.files" . | fromJson }}
      - { key: {{ replace "/" "." $path | quote }}, path: {{ $path | quote }} }
      {{- end }}
- name: secrets
  projected:
    # The group alone may read them: that of podSecurityContext.fsGroup.
    defaultMode: 0440
    sources:
      {{- range .Values.secrets }}
      - secret: {{- toYaml . | nindent 10 }}
      {{- end }}
- { name: tmp, emptyDir: {} }
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* One pod a node, and zones alike, as far as there are so many. */}}
{{- define "etld.spread" -}}
{{- range $key := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
- maxSkew: 1
  topologyKey: {{ $key }}
  whenUnsatisfiable: ScheduleAnyway
  labelSelector:
    matchLabels:
      {{- include "etld.selector" $.root | nindent 6 }}
      app.kubernetes.io/component: {{ $.component }}
{{- end }}
{{- end -}}

{{- define "etld.placement" -}}
{{- with .nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
