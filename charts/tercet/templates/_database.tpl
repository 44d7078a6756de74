{{/* A database for development: one pod and its volume, open to one service. Takes root, name, client (backup: whether its backup calls too), image, user (number), port, args, dataPath, writable (list), ready (what a probe asks; by default whether the port is open). */}}
{{- define "tercet.database" -}}
{{- $ready := .ready | default (dict "tcpSocket" (dict "port" "database")) | toYaml -}}
{{- $labels := include "tercet.labels" (list .root .name) -}}
{{- $selector := include "tercet.selector" (list .root .name) -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ .name }}
  labels:
    {{- $labels | nindent 4 }}
    app.kubernetes.io/component: database
spec:
  clusterIP: None
  selector:
    {{- $selector | nindent 4 }}
  ports:
    - { name: database, port: {{ .port }}, targetPort: database }
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ .name }}
  labels:
    {{- $labels | nindent 4 }}
    app.kubernetes.io/component: database
spec:
  podSelector:
    matchLabels:
      {{- $selector | nindent 6 }}
  policyTypes: [Ingress, Egress]
  ingress:
    - ports: [{ protocol: TCP, port: {{ .port }} }]
      from:
        - podSelector:
            matchLabels:
              {{- include "tercet.selector" (list .root .client) | nindent 14 }}
        {{- if .backup }}
        - podSelector:
            matchLabels:
              {{- include "tercet.selector" (list .root (printf "%s-backup" .client)) | nindent 14 }}
        {{- end }}
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {{ .name }}
  labels:
    {{- $labels | nindent 4 }}
    app.kubernetes.io/component: database
spec:
  serviceName: {{ .name }}
  replicas: 1
  selector:
    matchLabels:
      {{- $selector | nindent 6 }}
  template:
    metadata:
      labels:
        {{- $labels | nindent 8 }}
        app.kubernetes.io/component: database
    spec:
      {{- include "service.pod-security" .user | nindent 6 }}
      terminationGracePeriodSeconds: 60
      containers:
        - name: database
          image: {{ .image | quote }}
          args: {{ toJson .args }}
          {{- include "service.container-security" . | nindent 10 }}
          ports:
            - { name: database, containerPort: {{ .port }} }
          envFrom:
            - secretRef: { name: {{ .name }} }
          env:
            # The image's start script keeps notes at home.
            - { name: HOME, value: /tmp }
          startupProbe:
            {{- $ready | nindent 12 }}
            periodSeconds: 3
            timeoutSeconds: 5
            failureThreshold: 60
          livenessProbe:
            tcpSocket: { port: database }
            periodSeconds: 20
            failureThreshold: 6
          readinessProbe:
            {{- $ready | nindent 12 }}
            periodSeconds: 10
            timeoutSeconds: 5
          resources:
            requests: { cpu: 100m, memory: 256Mi }
            limits: { cpu: "1", memory: 512Mi }
          volumeMounts:
            - { name: data, mountPath: {{ .dataPath }} }
            {{- range $index, $path := .writable }}
            - { name: writable-{{ $index }}, mountPath: {{ $path }} }
            {{- end }}
      volumes:
        {{- range $index, $path := .writable }}
        - name: writable-{{ $index }}
          emptyDir: { sizeLimit: 64Mi }
        {{- end }}
  volumeClaimTemplates:
    - metadata:
        name: data
      spec:
        accessModes: [ReadWriteOnce]
        resources:
          requests: { storage: {{ .root.Values.databases.storage }} }
{{- end }}
